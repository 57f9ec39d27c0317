//! The configuration of the mesh that operators of Istio have: ConfigMap `istio` of the mesh's namespace, key `mesh`, in YAML (Istio,
//! MeshConfig). What it says counts over the environment, from the moment in which it is written.

mod defaults;

use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher::watch_object},
};
use model::l7::Normalization;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::{
    config::normalization,
    feed::Common,
    l7::{Providers, defaults::Defaults},
};

/// The ConfigMap, and what stands for the configuration in it.
const NAME: &str = "istio";
const KEY: &str = "mesh";

/// What was read.
#[derive(Debug, PartialEq)]
struct Read {
    common: Common,
    notes: Notes,
}

/// What there is to tell of what was read.
#[derive(Debug, Default, PartialEq)]
struct Notes {
    /// Fields that have no effect.
    unread: Vec<String>,
    /// What is wrong, and where: of these fields what was said before counts.
    faults: Vec<String>,
}

type Fields = Map<String, Value>;

/// What is there; none where nobody wrote a configuration.
pub type Text = Option<String>;

/// The configuration as it is now.
pub struct MeshConfig {
    /// What counts where nothing else is said.
    base: Common,
    now: Common,
    trust_domain: String,
    root: String,
    told: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Paths {
    normalization: Option<String>,
}

impl MeshConfig {
    /// Makes one in which nothing is said yet, of a mesh with a trust domain and a namespace.
    #[must_use]
    pub fn new(base: Common, trust_domain: &str, root: &str) -> Self {
        let (trust_domain, root) = (trust_domain.to_owned(), root.to_owned());
        Self { now: base.clone(), base, trust_domain, root, told: false }
    }

    /// Tells whether it is known what is there.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.told
    }

    /// Takes in what is there, and returns what counts, if that is something else than before. A field that is wrong changes nothing
    /// of itself, and nothing of the others.
    pub fn hear(&mut self, text: &Text) -> Option<&Common> {
        self.told = true;
        let Read { common: new, notes } = self.read(text.as_deref().unwrap_or_default());
        if !notes.unread.is_empty() {
            info!(fields = notes.unread.join(", "), "fields of ConfigMap {NAME}, key {KEY}, that have no effect here");
        }
        if !notes.faults.is_empty() {
            let why = notes.faults.join("; ");
            warn!(why, "ConfigMap {NAME}, key {KEY}, is wrong: there what was said before stays");
        }
        if new == self.now {
            return None;
        }
        info!("the mesh has another configuration");
        self.now = new;
        Some(&self.now)
    }

    fn read(&self, text: &str) -> Read {
        let mut notes = Notes::default();
        let mut fields = match serde_yaml::from_str(text) {
            Ok(Value::Null) => Map::new(),
            Ok(Value::Object(fields)) => fields,
            wrong => {
                let why = wrong.err().map(|error| format!("not YAML: {error}"));
                let why = why.unwrap_or_else(|| "want fields of MeshConfig, such as extensionProviders".to_owned());
                notes.faults.push(why);
                return Read { common: self.now.clone(), notes };
            }
        };
        let (base, now) = (&self.base, &self.now);
        let aliases = take::<Vec<String>>(&mut fields, "trustDomainAliases", "a list of names");
        let domains = |aliases| [self.trust_domain.clone()].into_iter().chain(aliases).collect();
        let trust_domains = aliases.map(|aliases| aliases.map(domains));
        let faults = &mut notes.faults;
        let trust_domains = counts(trust_domains, &base.trust_domains, &now.trust_domains, faults);
        let normalization = counts(paths(&mut fields), &base.normalization, &now.normalization, faults);
        // Before what names them.
        let providers = counts(providers(&mut fields), &base.providers, &now.providers, faults);
        let defaults = defaults::read(&mut fields, &now.defaults, &providers, &mut notes);
        let common = Common { trust_domains, normalization, providers, defaults };
        for (field, own) in [("trustDomain", &self.trust_domain), ("rootNamespace", &self.root)] {
            match take::<String>(&mut fields, field, "a name") {
                Ok(Some(other)) if other != *own && !other.is_empty() => {
                    notes.unread.push(format!("{field} (the installation says {own})"));
                }
                Ok(_) => {}
                Err(why) => notes.faults.push(why),
            }
        }
        notes.unread.extend(fields.into_iter().map(|(field, _)| field));
        Read { common, notes }
    }
}

/// Returns what counts of a field: what it says, or what the environment does where it says nothing, or what counted before where it is
/// wrong.
fn counts<T: Clone>(read: Result<Option<T>, String>, base: &T, now: &T, faults: &mut Vec<String>) -> T {
    match read {
        Ok(said) => said.unwrap_or_else(|| base.clone()),
        Err(why) => {
            faults.push(why);
            now.clone()
        }
    }
}

fn providers(fields: &mut Fields) -> Result<Option<Providers>, String> {
    let Some(list) = take::<Vec<Value>>(fields, "extensionProviders", "a list")? else { return Ok(None) };
    let wanted = |error| format!("extensionProviders: want a list of objects with a name: {error}");
    Providers::read(list).map(Some).map_err(wanted)
}

fn paths(fields: &mut Fields) -> Result<Option<Normalization>, String> {
    let paths = take::<Paths>(fields, "pathNormalization", "an object with a field normalization")?;
    let Some(word) = paths.and_then(|paths| paths.normalization) else { return Ok(None) };
    // (MeshConfig.ProxyPathNormalization)
    let read = if word == "DEFAULT" { Some(Normalization::Base) } else { normalization::of(&word) };
    let wrong = || format!("pathNormalization.normalization: {word:?} is none of DEFAULT, {}", normalization::WORDS);
    read.map(Some).ok_or_else(wrong)
}

/// Tells whether a configuration can be used at all; `environment` are the providers that the agent's environment names, if any,
/// in JSON.
///
/// # Errors
/// What is wrong, and where.
pub fn check(text: &str, environment: Option<&str>) -> Result<(), String> {
    let providers = serde_json::from_str(environment.unwrap_or("[]")).and_then(Providers::read);
    let providers = providers.map_err(|error| format!("EXTENSION_PROVIDERS of the environment: {error}"))?;
    let (normalization, defaults) = (Normalization::Base, Defaults::default());
    let base = Common { trust_domains: vec![], normalization, providers, defaults };
    let faults = MeshConfig::new(base, "", "").read(text).notes.faults;
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

fn take<T: DeserializeOwned>(fields: &mut Fields, field: &str, wanted: &str) -> Result<Option<T>, String> {
    let value = fields.remove(field).filter(|value| !value.is_null());
    value.map(serde_json::from_value).transpose().map_err(|error| format!("{field}: want {wanted}: {error}"))
}

/// Tells what is there, at first and at each change, for as long as somebody listens.
pub async fn watch(client: Client, namespace: String, sender: mpsc::Sender<Text>) {
    let api = Api::<ConfigMap>::namespaced(client, &namespace);
    let mut maps = pin!(watch_object(api, NAME).default_backoff());
    while let Some(map) = maps.next().await {
        match map {
            Ok(map) => {
                let text = map.and_then(|map| map.data?.remove(KEY));
                if sender.send(text).await.is_err() {
                    return;
                }
            }
            Err(error) => warn!(%error, "watch of ConfigMap {NAME} failed, trying again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> MeshConfig {
        let base = Common {
            trust_domains: vec!["td".to_owned(), "of-environment".to_owned()],
            normalization: Normalization::MergeSlashes,
            providers: Providers::read(vec![serde_json::json!({"name": "env", "prometheus": {}})]).expect("good"),
            defaults: Defaults::default(),
        };
        MeshConfig::new(base, "td", "istio-system")
    }

    #[test]
    fn what_is_said_counts_over_the_environment_and_what_is_wrong_changes_nothing() {
        let mut config = config();
        let base = config.base.clone();
        assert!(!config.is_known());
        assert_eq!(config.hear(&None), None);
        assert!(config.is_known());
        let good = "extensionProviders: [{name: p, prometheus: {}}]\n\
                    pathNormalization: {normalization: NONE}\n\
                    trustDomainAliases: [old.example]\n\
                    trustDomain: td\naccessLogFile: /dev/stdout\n";
        let now = config.hear(&Some(good.to_owned())).expect("it is another").clone();
        assert_eq!(
            (&*now.trust_domains, now.normalization),
            (&["td".to_owned(), "old.example".to_owned()][..], Normalization::None)
        );
        assert!(now.providers.measures("p") && !now.providers.measures("env"));
        for bad in [
            "a: [",
            "- a",
            "extensionProviders: {}",
            "extensionProviders: [{prometheus: {}}]",
            "pathNormalization: NONE",
            "pathNormalization: {normalization: none}",
            "trustDomainAliases: x",
            "trustDomainAliases: [1]",
            "trustDomain: [td]",
        ] {
            // Beside what is right.
            let field = bad.split(':').next().unwrap_or_default();
            let others: String = good
                .lines()
                .filter(|line| !line.starts_with(&format!("{field}:")))
                .map(|line| format!("{line}\n"))
                .collect();
            let text = if field.len() > 3 { others + bad } else { bad.to_owned() };
            assert!(!config.read(&text).notes.faults.is_empty(), "{text}");
            assert_eq!(config.hear(&Some(text)), None, "{bad}");
            assert_eq!(config.now, now, "{bad}");
        }
        assert_eq!(config.hear(&Some(good.to_owned())), None);
        // A field that is wrong undoes none of the others.
        let half = "trustDomainAliases: [new.example]\npathNormalization: {normalization: some}\n";
        let mixed = config.hear(&Some(half.to_owned())).expect("it is another").clone();
        assert_eq!((&*mixed.trust_domains[1], mixed.normalization), ("new.example", Normalization::None));
        assert!(mixed.providers.measures("env"));
        // Each field for itself; one that is not there is as the environment says.
        let part = config.hear(&Some("pathNormalization: {normalization: DEFAULT}".to_owned())).expect("it is another");
        assert_eq!(*part, Common { normalization: Normalization::Base, ..base.clone() });
        assert_eq!(config.hear(&Some(String::new())), Some(&base));
        assert_eq!(config.hear(&None), None);
    }

    #[test]
    fn providers_that_count_are_those_that_can_be_defaults() {
        let mut config = config();
        let mut named = |text: &str| config.hear(&Some(text.to_owned())).map(|common| common.defaults.logging.clone());
        let file = "extensionProviders: [{name: f, envoyFileAccessLog: {path: /l}}]\n";
        let by_default = "defaultProviders: {accessLogging: [f]}\n";
        // Of the environment there is none.
        assert_eq!(named(by_default), None);
        let said = Some(vec!["f".to_owned()]);
        assert_eq!(named(&(by_default.to_owned() + file)), Some(said.clone()));
        // Its name stays when it is gone; nothing is told to it.
        assert_eq!(named(by_default), Some(said));
        assert_eq!(config.now.defaults.with(&config.now.providers).1, model::l7::Defaults::default());
        let environment = r#"[{"name": "f", "envoyFileAccessLog": {"path": "/l"}}]"#;
        assert_eq!(check(by_default, Some(environment)), Ok(()));
        assert!(check(by_default, None).is_err_and(|why| why.contains("there is no provider f")));
        assert!(check(by_default, Some("{}")).is_err_and(|why| why.starts_with("EXTENSION_PROVIDERS")));
    }

    #[test]
    fn what_has_no_effect_and_what_is_wrong_is_named() {
        let config = config();
        let unread = |text: &str| config.read(text).notes.unread;
        assert_eq!(
            unread("trustDomain: other\nrootNamespace: istio-system\nenableAutoMtls: true\naccessLogFile: ''"),
            ["trustDomain (the installation says td)", "enableAutoMtls"],
        );
        let why = |text: &str| config.read(text).notes.faults.join("; ");
        assert!(why("a: [").starts_with("not YAML: "));
        assert_eq!(
            why("pathNormalization: {normalization: x}"),
            "pathNormalization.normalization: \"x\" is none of DEFAULT, NONE, BASE, MERGE_SLASHES or DECODE_AND_MERGE_SLASHES"
        );
        assert!(
            why("extensionProviders: [{name: 1}]")
                .starts_with("extensionProviders: want a list of objects with a name")
        );
    }
}
