//! What is told of a wrong manifest, and where.

use proptest::prelude::*;
use source::folder::{FieldPath, KINDS, manifests};

/// One wrong text, and what is told of it.
struct Row(&'static str, &'static str);

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        ports:
        - containerPort: 80
";

const ROWS: &[Row] = &[
    Row("a: [1\nb: 2\n", "f:2:2: not YAML: did not find expected ',' or ']'"),
    Row("a: 1\na: 2\n", "f:2:1: not YAML: \"a\" is there twice"),
    Row("a: .nan\n", "f:1:4: not YAML: a: neither a number nor text"),
    Row("# nothing\n---\n- 1\n", "f:3:1: no object: want apiVersion, kind, metadata"),
    Row("kind: Pod\n", "f:1:1: apiVersion: required field is missing"),
    Row("apiVersion: v1\nkind: Pot\n", "f:2:7: kind: Pot (v1) cannot be written here, did you mean Pod?"),
    Row(
        "apiVersion: v1\nkind: Node\nmetadata: {name: n}\n",
        "f:2:7: kind: Node (v1) cannot be written here: want one of KINDS",
    ),
    Row(
        "apiVersion: apps/v2\nkind: Deployment\n",
        "f:1:13: apiVersion: Deployment has no version \"apps/v2\": want apps/v1",
    ),
    Row(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: A_b\n",
        "f:4:9: metadata.name: \"A_b\" is no name of a Namespace: want lower-case letters, digits and '-', at most 63",
    ),
    Row(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  namespace: b\n",
        "f:5:14: metadata.namespace: a Namespace is in no namespace",
    ),
    Row(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny, namespace: shop}\nspec:\n  action: DENNY\n",
        "f:5:11: AuthorizationPolicy shop/deny: spec.action: unknown value \"DENNY\": want one of ALLOW, DENY, AUDIT, CUSTOM",
    ),
    Row(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny, namespace: shop}\nspec:\n  rules:\n  - to:\n    - operation:\n        port: [\"80\"]\n",
        "f:8:9: AuthorizationPolicy shop/deny: spec.rules[0].to[0].operation.port: unknown field, did you mean ports?",
    ),
    Row(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny, namespace: shop}\nspec:\n  rules:\n  - from:\n    - source:\n        ipBlocks: [10.0.0.0/8, 10.0.0.0/64]\n",
        "f:8:32: AuthorizationPolicy shop/deny: spec.rules[0].from[0].source.ipBlocks[1]: \"10.0.0.0/64\" is no address: want such as 10.1.0.0/16 or fd00::1",
    ),
    Row(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p}\nspec:\n  selector: {matchLabels: {a: b}}\n  portLevelMtls:\n    http: {mode: STRICT}\n",
        "f:7:5: PeerAuthentication default/p: spec.portLevelMtls.http: \"http\" is no port: want 1 to 65535",
    ),
    Row(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p}\nspec:\n  mtls: STRICT\n",
        "f:5:9: PeerAuthentication default/p: spec.mtls: wrong type, a single value: want fields, such as mode",
    ),
    Row(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec:\n  rules:\n  - timeouts: {request: 1.5s}\n    backendRef: []\n",
        "f:7:5: HTTPRoute default/r: spec.rules[0].backendRef: unknown field, did you mean backendRefs?\nf:6:25: HTTPRoute default/r: spec.rules[0].timeouts.request: wrong value, string \"1.5s\": want a duration such as 5s, 500ms or 1h10m",
    ),
    Row(
        "apiVersion: networking.istio.io/v1alpha3\nkind: VirtualService\nmetadata: {name: v}\nspec:\n  hosts:\n  gateways: [mesh]\n  http:\n  - route:\n    - destination: {subset: v1}\n",
        "f:9:20: VirtualService default/v: spec.http[0].route[0].destination.host: required field is missing",
    ),
    Row(
        "apiVersion: policy.ambient.io/v1alpha1\nkind: RateLimit\nmetadata: {name: l}\nspec:\n  targetRefs: [{group: \"\", kind: Service, name: a}]\n  local:\n  - requests: 1\n    keys: [source.ip]\n    per: week\n",
        "f:8:5: RateLimit default/l: spec.local[0].keys: unknown field, did you mean key?\nf:9:10: RateLimit default/l: spec.local[0].per: wrong value, string \"week\": want second, minute, hour, day or a duration such as 10s, more than 0 and at most a day",
    ),
    Row(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d}\nspec:\n  host: a\n  trafficPolicy:\n    tls: {mode: MUTUALLY}\n",
        "f:7:17: DestinationRule default/d: spec.trafficPolicy.tls.mode: unknown value \"MUTUALLY\": want one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL",
    ),
    Row(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\ndata:\n  n: 1\n",
        "f:6:6: ConfigMap default/m: data.n: wrong type, integer `1`: want text; quotes make text of a number",
    ),
    Row(
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  type: Cluster\n  ports:\n  - port: 80\n",
        "f:5:9: Service default/s: spec.type: unknown value \"Cluster\": want one of ClusterIP, NodePort, LoadBalancer, ExternalName",
    ),
    Row(
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n  - port: 80\n    targetPort: a_b\n",
        "f:7:17: Service default/s: spec.ports[0].targetPort: \"a_b\" is no name of a port: want at most 15 lower-case letters, digits and '-', one a letter",
    ),
    Row(
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n  - port: 80\n  - port: 0\n    name: b\n",
        "f:6:5: Service default/s: spec.ports[0].name: required field is missing\nf:7:11: Service default/s: spec.ports[1].port: 0 is no port: want 1 to 65535",
    ),
    Row(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - image: x\n    ports:\n    - containerPort: 80\n      protocol: tcp\n",
        "f:6:5: Pod default/p: spec.containers[0].name: required field is missing\nf:9:17: Pod default/p: spec.containers[0].ports[0].protocol: unknown value \"tcp\": want one of TCP, UDP, SCTP",
    ),
    Row(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: secret!}\n",
        "f:4:11: Secret default/s: data.k: wrong value, not shown here: want text in stringData, base64 in data",
    ),
    Row(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n",
        "f:1:1: Pod default/p: spec.containers: required field is missing",
    ),
    Row(
        "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n \"metadata\": {\"name\": \"m\", \"label\": {}}}\n",
        "f:2:28: ConfigMap default/m: metadata.label: unknown field, did you mean labels?",
    ),
    Row(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n",
        "f:7:18: ConfigMap default/m: metadata.name: the same object is in this file before",
    ),
    Row(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec:\n  gatewayClassName: istio-waypoint\n  listeners: [{name: mesh, port: 15008, protocol: HBONE, allowedRoute: {}}]\n",
        "f:6:58: Gateway default/g: spec.listeners[0].allowedRoute: unknown field, did you mean allowedRoutes?",
    ),
    Row(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec:\n  gatewayClassName: istio-waypoint\n  listeners: [{name: mesh, port: 0, protocol: HBONE}]\n",
        "f:6:34: Gateway default/g: spec.listeners[0].port: 0 is no port: want 1 to 65535",
    ),
];

#[test]
fn every_fault_is_told_at_its_place() {
    let mut wrong = Vec::new();
    let kinds: Vec<&str> = KINDS.iter().filter(|k| k.written).map(|k| k.name).collect();
    for Row(text, want) in ROWS {
        let want = want.replace("KINDS", &kinds.join(", "));
        let parsed = manifests::parse("f", text, None);
        let told: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
        if told.join("\n") != want {
            wrong.push(format!("{text}\nwant {want}\ntold {}", told.join("\n     ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    for (from, to, want) in [
        (
            "replicas: 1",
            "replicas: -1",
            "f:6:13: Deployment default/web: spec.replicas: -1 is less than none: want 0 or more",
        ),
        (
            "replicas: 1",
            "replicas: one",
            "f:6:13: Deployment default/web: spec.replicas: wrong type, string \"one\": want a whole number",
        ),
        (
            "replicas: 1",
            "replica: 1",
            "f:6:3: Deployment default/web: spec.replica: unknown field, did you mean replicas?",
        ),
        (
            "matchLabels: {app: web}",
            "matchLabels: {app: shop}",
            "f:8:24: Deployment default/web: spec.selector.matchLabels.app: spec.template.metadata.labels has no app: \"shop\"",
        ),
        (
            "containerPort: 80",
            "containerPort: 70000",
            "f:16:26: Deployment default/web: spec.template.spec.containers[0].ports[0].containerPort: 70000 is no port: want 1 to 65535",
        ),
    ] {
        let parsed = manifests::parse("f", &DEPLOYMENT.replace(from, to), None);
        let told: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
        assert_eq!(told, [want]);
        assert!(parsed.objects.is_empty() && !parsed.unclear && parsed.invalid.len() == 1);
    }
}

#[test]
fn a_valid_text_is_read_whole() {
    let text = format!("---\n{DEPLOYMENT}---\n\n---\n{}", include_str!("mesh.yaml"));
    let parsed = manifests::parse("f", &text, None);
    assert_eq!(parsed.problems, []);
    let told: Vec<_> = parsed.objects.iter().map(|o| (o.key.to_string(), o.line)).collect();
    let told: Vec<_> = told.iter().map(|(key, line)| (key.as_str(), *line)).collect();
    let want = [
        ("Deployment default/web", 2),
        ("AuthorizationPolicy shop/deny", 22),
        ("PeerAuthentication shop/strict", 31),
        ("Service shop/web", 40),
        ("Pod shop/web-0", 48),
        ("Namespace shop", 57),
    ];
    assert_eq!(told, want);
    assert_eq!(parsed.objects[0].object["metadata"]["namespace"], "default");
    assert_eq!(parsed.objects[2].object["apiVersion"], "security.istio.io/v1");
}

#[test]
fn the_caller_may_refuse_more() {
    let refuse = |object: &serde_json::Value| {
        let image = object.pointer("/spec/template/spec/containers/0/ports");
        let path = FieldPath::of(&["spec", "template", "spec", "containers"]).item(0).key("ports");
        image.map(|_| (path, "the sandbox has no ports".to_owned())).into_iter().collect()
    };
    let parsed = manifests::parse("f", DEPLOYMENT, Some(refuse));
    let told: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["f:16:9: Deployment default/web: spec.template.spec.containers[0].ports: the sandbox has no ports"]
    );
}

#[test]
fn many_documents_take_no_long_time() {
    let one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mNUMBER}\n---\n";
    let text: String = (0..5000).map(|n| one.replace("NUMBER", &n.to_string())).collect();
    let began = std::time::Instant::now();
    let parsed = manifests::parse("f", &text, None);
    assert_eq!((parsed.objects.len(), parsed.objects[4999].line), (5000, 4999 * 4 + 1));
    let wrong = manifests::parse("f", &text.replace("metadata", "metadate"), None);
    assert!(wrong.problems.len() < 100 && wrong.unclear);
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_kind_of_others_names_nothing_of_ours() {
    let other = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\n";
    assert!(!manifests::parse("f", other, None).unclear);
    assert!(manifests::parse("f", "apiVersion: v1\nkind: Pood\nmetadata: {name: r}\n", None).unclear);
}

#[test]
fn aliases_do_not_fill_the_memory() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", ")));
    }
    let parsed = manifests::parse("f", &text, None);
    assert!(parsed.unclear && parsed.problems.len() == 1, "{:?}", parsed.problems);
    let deep = "[".repeat(100_000);
    assert!(manifests::parse("f", &deep, None).unclear);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = manifests::parse("f", &String::from_utf8_lossy(&bytes), None);
    }

    #[test]
    fn any_change_of_a_manifest_is_judged(at in 0usize..2000, with in "[-\\]\\[{}:,&*!|>'\"%@`# \n\ta-zA-Z0-9]{0,6}", cut in 0usize..30) {
        let text = format!("{DEPLOYMENT}---\n{}", include_str!("mesh.yaml"));
        let (from, to) = (at.min(text.len()), (at + cut).min(text.len()));
        let mut text = text;
        text.replace_range(from..to, &with);
        let parsed = manifests::parse("f", &text, None);
        prop_assert!(parsed.problems.iter().all(|p| p.line > 0));
    }
}
