//! From settings to manifests: a pure function.

use std::collections::HashSet;

use kube::{ResourceExt, api::DynamicObject};
use minijinja::{Environment, Error as TemplateError, UndefinedBehavior, context};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    cluster::objects::{COMPONENT, MANAGED_BY, PART_OF},
    error::Error,
    install::values::Values,
};

/// Templates by component.
const TEMPLATES: [(&str, &str); 6] = [
    ("base", include_str!("../../templates/base.yaml")),
    ("crds", include_str!("../../templates/crds/istio.yaml")),
    ("crds", include_str!("../../templates/crds/ambient.yaml")),
    ("agent", include_str!("../../templates/agent.yaml")),
    ("cni", include_str!("../../templates/cni.yaml")),
    ("ztunnel", include_str!("../../templates/ztunnel.yaml")),
];

/// Returns all objects of an installation, in the order of their dependence.
pub fn render(values: &Values, namespace: &str) -> Result<Vec<DynamicObject>, Error> {
    let environment = environment();
    let image = format!("{}:{}", values.image.repository, values.image.tag);
    let control_plane = format!("istiod.{namespace}.svc:15012");
    let mut objects = Vec::new();
    for (component, source) in TEMPLATES {
        let fault =
            |error: &dyn std::error::Error| Error::internal(format!("template {component}")).because(error.to_string());
        let text = match component {
            // No template: descriptions in it may hold braces.
            "crds" => source.to_owned(),
            _ => environment
                .render_named_str(component, source, context! { values, namespace, image, control_plane })
                .map_err(|error| fault(&error))?,
        };
        for document in serde_yaml::Deserializer::from_str(&text) {
            let object = Option::<DynamicObject>::deserialize(document).map_err(|error| fault(&error))?;
            objects.extend(object.map(|object| with_last_of_each_variable(labelled(object, component))));
        }
    }
    Ok(objects)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("pull_secrets", |names: Vec<String>| -> Result<String, TemplateError> {
        let names = names.iter().map(|name| serde_json::json!({ "name": name }));
        Ok(serde_json::Value::from_iter(names).to_string())
    });
    environment
}

/// Adds the labels by which `install` and `uninstall` know their own.
fn labelled(mut object: DynamicObject, component: &str) -> DynamicObject {
    let labels = object.labels_mut();
    for (key, value) in [PART_OF, MANAGED_BY, (COMPONENT, component)] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    object
}

/// Keeps the last of several environment variables of one name: that of the operator, who is heard after the template. The
/// server refuses to hold both.
fn with_last_of_each_variable(mut object: DynamicObject) -> DynamicObject {
    let containers = object.data.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let Some(variables) = container.get_mut("env").and_then(Value::as_array_mut) else { continue };
        let mut seen = HashSet::new();
        variables.reverse();
        variables.retain(|variable| seen.insert(variable.get("name").cloned()));
        variables.reverse();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::objects::{KINDS, kind, title};

    #[test]
    fn every_object_is_of_a_kind_that_install_prunes() {
        let values = Values::read(
            &[],
            &["resourceQuotas=true".into(), "network=a".into(), "meshConfig.enableTracing=true".into()],
        )
        .expect("valid");
        let objects = render(&values, "istio-system").expect("renders");
        for object in &objects {
            let found = KINDS.iter().find(|known| known.name == kind(object)).expect("a known kind");
            assert_eq!(found.namespaced, object.namespace().is_some(), "{}", title(object));
        }
        assert!(objects.iter().any(|object| title(object) == "DaemonSet istio-system/ztunnel"));
    }

    #[test]
    fn settings_reach_the_manifests() {
        let values =
            Values::read(&[], &["trustDomain=example.org".into(), "image.pullSecrets=[a]".into()]).expect("valid");
        let objects = render(&values, "mesh").expect("renders");
        let agent = objects.iter().find(|object| title(object) == "Deployment mesh/ambient-agent").expect("is there");
        let text = agent.data.to_string();
        assert!(text.contains(r#"{"name":"TRUST_DOMAIN","value":"example.org"}"#), "{text}");
        assert!(text.contains(r#""imagePullSecrets":[{"name":"a"}]"#), "{text}");
    }

    #[test]
    fn the_agent_learns_what_waypoints_are_made_from() {
        let sets = ["image.pullSecrets=[a, b]", "waypoint.env={A: 'b \"c\"'}", "waypoint.logLevel=debug"];
        let values = Values::read(&[], &sets.map(String::from)).expect("valid");
        let objects = render(&values, "mesh").expect("renders");
        let agent = objects.iter().find(|object| title(object) == "Deployment mesh/ambient-agent").expect("is there");
        let variables = agent.data.pointer("/spec/template/spec/containers/0/env").and_then(Value::as_array);
        let of = |name: &str| {
            let found = variables.into_iter().flatten().find(|variable| variable["name"] == name);
            found.and_then(|variable| variable["value"].as_str()).unwrap_or_default().to_owned()
        };
        assert_eq!(of("WAYPOINT_IMAGE"), format!("localhost/ambient:{}", env!("CARGO_PKG_VERSION")));
        assert_eq!((of("WAYPOINT_PULL_POLICY"), of("WAYPOINT_PULL_SECRETS")), ("IfNotPresent".into(), "a,b".into()));
        assert_eq!((of("WAYPOINT_LOG_LEVEL"), of("WAYPOINT_GRACE_SECONDS")), ("debug".into(), "300".into()));
        assert_eq!(of("WAYPOINT_ENV"), r#"{"A":"b \"c\""}"#);
    }

    #[test]
    fn the_agent_reads_secrets_of_the_mesh_alone_where_it_may_read_no_others() {
        let everywhere = ["ClusterRole ambient-agent-secrets", "ClusterRoleBinding ambient-agent-secrets"];
        for (sets, wanted) in [(vec![], &everywhere[..]), (vec!["agent.readSecrets=false".to_owned()], &[])] {
            let objects = render(&Values::read(&[], &sets).expect("valid"), "mesh").expect("renders");
            let named = |object: &&DynamicObject| object.name_any() == "ambient-agent-secrets";
            let titles: Vec<String> = objects.iter().filter(named).map(title).collect();
            assert_eq!(titles, wanted);
            let reads = |object: &&DynamicObject| object.data.pointer("/rules").is_some_and(reads_secrets);
            let readers: Vec<String> = objects.iter().filter(reads).map(title).collect();
            let all: Vec<&str> = wanted.iter().take(1).copied().chain(["Role mesh/ambient-agent"]).collect();
            assert_eq!(readers, all);
        }
    }

    fn reads_secrets(rules: &Value) -> bool {
        let resources = rules.as_array().into_iter().flatten().filter_map(|rule| rule["resources"].as_array());
        resources.flatten().any(|resource| resource == "secrets" || resource == "*")
    }

    #[test]
    fn the_configuration_of_the_mesh_is_a_config_map_where_there_is_one() {
        let find = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            let objects = render(&Values::read(&[], &sets).expect("valid"), "mesh").expect("renders");
            objects.into_iter().find(|object| title(object) == "ConfigMap mesh/istio")
        };
        assert!(find(&[]).is_none());
        let sets = [
            "meshConfig.extensionProviders=[{name: p, prometheus: {}}]",
            "meshConfig.pathNormalization.normalization=NONE",
        ];
        let text = find(&sets).expect("is there").data["data"]["mesh"].as_str().expect("text").to_owned();
        let read: Value = serde_yaml::from_str(&text).expect("YAML");
        let wanted = serde_json::json!({
            "extensionProviders": [{"name": "p", "prometheus": {}}], "pathNormalization": {"normalization": "NONE"},
        });
        assert_eq!(read, wanted);
    }

    #[test]
    fn a_variable_of_the_operator_replaces_that_of_the_template() {
        let values = Values::read(&[], &["agent.env={RUST_LOG: trace, MINE: x}".into()]).expect("valid");
        let objects = render(&values, "mesh").expect("renders");
        let agent = objects.iter().find(|object| title(object) == "Deployment mesh/ambient-agent").expect("is there");
        let text = agent.data.to_string();
        assert_eq!(text.matches(r#""name":"RUST_LOG""#).count(), 1, "{text}");
        assert!(text.contains(r#"{"name":"RUST_LOG","value":"trace"}"#), "{text}");
        assert!(text.contains(r#"{"name":"MINE","value":"x"}"#), "{text}");
    }

    #[test]
    fn an_empty_list_of_excluded_namespaces_stays_empty() {
        let values = Values::read(&[], &["cni.excludeNamespaces=[]".into()]).expect("valid");
        let objects = render(&values, "mesh").expect("renders");
        let agent = objects.iter().find(|object| title(object) == "DaemonSet mesh/ambient-cni").expect("is there");
        // Set and empty: left out, it would mean the default.
        assert!(agent.data.to_string().contains(r#"{"name":"EXCLUDE_NAMESPACES","value":""}"#), "{}", agent.data);
    }

    #[test]
    fn the_image_is_the_one_that_the_project_builds() {
        let objects = render(&Values::default(), "mesh").expect("renders");
        let image = format!(r#""image":"localhost/ambient:{}""#, env!("CARGO_PKG_VERSION"));
        assert_eq!(objects.iter().filter(|object| object.data.to_string().contains(&image)).count(), 3);
    }
}
