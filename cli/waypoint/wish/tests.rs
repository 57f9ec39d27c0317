use clap::Parser;

use super::*;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    wish: Wish,
}

fn wish(arguments: &[&str]) -> Result<Wish, String> {
    let line = Line::try_parse_from(["x"].iter().chain(arguments));
    line.map(|line| line.wish).map_err(|error| error.to_string())
}

fn yaml(arguments: &[&str], live: Option<&DynamicObject>) -> String {
    let wish = wish(arguments).expect("good arguments");
    serde_yaml::to_string(&wish.gateway(Some("shop"), live)).expect("YAML")
}

#[test]
fn arguments_become_a_gateway() {
    let plain = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: waypoint
  namespace: shop
spec:
  gatewayClassName: istio-waypoint
  listeners:
  - name: mesh
    port: 15008
    protocol: HBONE
";
    let full = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  annotations:
    ambient.istio.io/autoscale: 2-6
    ambient.istio.io/cpu: 250m
    ambient.istio.io/memory: 128Mi
  labels:
    istio.io/rev: canary
    istio.io/waypoint-for: all
  name: gate
  namespace: shop
spec:
  gatewayClassName: example.com
  listeners:
  - name: mesh
    port: 15008
    protocol: HBONE
";
    assert_eq!(yaml(&[], None), plain);
    let all = "--name gate --for all --autoscale 2-6 --cpu 250m --memory 128Mi --class example.com --revision canary";
    assert_eq!(yaml(&all.split(' ').collect::<Vec<_>>(), None), full);
}

#[test]
fn what_cannot_be_is_refused_with_what_would_be_right() {
    let rows: [(&[&str], &str); 11] = [
        (&["--name", "none"], "want another name"),
        (&["--name", "a.b"], "a letter first"),
        (&["--name", "1a"], "a letter first"),
        (&["--for", "services"], "possible values"),
        (&["--replicas", "0"], "want a number from 1 to 1000"),
        (&["--autoscale", "6-2"], "want the least and the most pods, such as 2-6"),
        (&["--replicas", "2", "--autoscale", "2-6"], "cannot be used with"),
        (&["--cpu", "100Mi"], "want a quantity of processors"),
        (&["--memory", "64MB"], "want a quantity of memory"),
        (&["--class", "a/b"], "want the name of a GatewayClass"),
        (&["--class", ""], "want the name of a GatewayClass"),
    ];
    for (arguments, told) in rows {
        let error = wish(arguments).expect_err(told);
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
}

/// A gateway with these labels and annotations, of which `ambient` applied those that are told.
fn live(map: &Value, ours: Option<&[&str]>) -> DynamicObject {
    let all = map.as_object().into_iter().flatten();
    let (annotations, labels): (Map, Map) = all
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .partition(|(key, _)| key.starts_with("ambient."));
    let managed = ours.map(|ours| {
        let fields: serde_json::Map<String, Value> = ours.iter().map(|key| (format!("f:{key}"), json!({}))).collect();
        json!([{ "manager": FIELD_MANAGER, "fieldsV1": { "f:metadata": { "f:labels": fields, "f:annotations": fields } } }])
    });
    serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": { "name": "waypoint", "labels": labels, "annotations": annotations, "managedFields": managed },
        "spec": {
            "gatewayClassName": "example.com",
            "listeners": [{ "name": "web", "port": 80, "protocol": "HTTP" },
                { "name": "hbone", "port": 15008, "protocol": "HBONE" }],
        },
    }))
    .expect("a gateway")
}

/// What is there, which of it is ours, arguments → what is applied.
type Row<'a> = (Value, Option<&'a [&'a str]>, &'a [&'a str], Value);

#[test]
fn what_is_not_asked_for_stays_and_stays_whose_it_is() {
    let (served, replicas, scale, cpu) = (labels::WAYPOINT_FOR, sizes::REPLICAS, sizes::AUTOSCALE, sizes::CPU);
    let rows: [Row<'_>; 7] = [
        (json!({served: "all", cpu: "1"}), Some(&[served, cpu]), &[], json!({served: "all", cpu: "1"})),
        (json!({served: "all", cpu: "1"}), Some(&[cpu]), &[], json!({cpu: "1"})),
        (json!({served: "all"}), None, &[], json!({served: "all"})),
        (json!({served: "all"}), Some(&[served]), &["--for", "service"], json!({served: "service"})),
        (json!({replicas: "3"}), Some(&[replicas]), &["--autoscale", "2-6"], json!({scale: "2-6"})),
        (json!({scale: "2-6"}), Some(&[scale]), &["--replicas", "3"], json!({replicas: "3"})),
        (json!({REVISION: "a"}), Some(&[REVISION]), &["--revision", ""], json!({})),
    ];
    for (there, ours, arguments, wanted) in rows {
        let gateway = wish(arguments).expect("good").gateway(Some("shop"), Some(&live(&there, ours)));
        let applied: Map =
            gateway.labels().iter().chain(gateway.annotations()).map(|(k, v)| (k.clone(), v.clone())).collect();
        assert_eq!(json!(applied), wanted, "{there} {ours:?} {arguments:?}");
        assert_eq!(gateway.data["spec"]["gatewayClassName"], "example.com");
        let listeners = json!([{ "name": "hbone", "port": 15008, "protocol": "HBONE" }]);
        assert_eq!(gateway.data["spec"]["listeners"], listeners, "no second one beside it");
    }
}
