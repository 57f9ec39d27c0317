//! The configuration of the mesh that operators of Istio have: ConfigMap `istio` of the mesh's namespace, key `mesh`, in YAML (Istio,
//! MeshConfig). What it says counts over the environment, from the moment in which it is written.

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use model::l7::Normalization;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::{config::normalization, feed::Common, l7::Providers};

/// The ConfigMap, and what stands for the configuration in it.
const NAME: &str = "istio";
const KEY: &str = "mesh";

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

    /// Takes in what is there, and returns what counts, if that is something else than before. What is wrong changes nothing.
    pub fn hear(&mut self, text: &Text) -> Option<&Common> {
        self.told = true;
        let new = match text.as_deref().map_or(Ok((self.base.clone(), vec![])), |text| self.read(text)) {
            Ok((new, unread)) => {
                if !unread.is_empty() {
                    info!(
                        fields = unread.join(", "),
                        "fields of ConfigMap {NAME}, key {KEY}, that have no effect here"
                    );
                }
                new
            }
            Err(why) => {
                warn!(why, "ConfigMap {NAME}, key {KEY}, is wrong: what was said before stays");
                return None;
            }
        };
        if new == self.now {
            return None;
        }
        info!("the mesh has another configuration");
        self.now = new;
        Some(&self.now)
    }

    /// Reads a configuration; returns also what of it has no effect.
    ///
    /// # Errors
    /// What is wrong, and where.
    fn read(&self, text: &str) -> Result<(Common, Vec<String>), String> {
        let mut fields = match serde_yaml::from_str(text) {
            Ok(Value::Null) => Map::new(),
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err("want fields of MeshConfig, such as extensionProviders".to_owned()),
            Err(error) => return Err(format!("not YAML: {error}")),
        };
        let mut common = self.base.clone();
        if let Some(providers) = take::<Vec<Value>>(&mut fields, "extensionProviders", "a list")? {
            let wanted = |error| format!("extensionProviders: want a list of objects with a name: {error}");
            common.providers = Providers::read(providers).map_err(wanted)?;
        }
        let paths = take::<Paths>(&mut fields, "pathNormalization", "an object with a field normalization")?;
        if let Some(word) = paths.and_then(|paths| paths.normalization) {
            let words =
                || format!("pathNormalization.normalization: {word:?} is none of DEFAULT, {}", normalization::WORDS);
            common.normalization = match &*word {
                // (MeshConfig.ProxyPathNormalization)
                "DEFAULT" => Normalization::Base,
                word => normalization::of(word).ok_or_else(words)?,
            };
        }
        if let Some(aliases) = take::<Vec<String>>(&mut fields, "trustDomainAliases", "a list of names")? {
            common.trust_domains = [self.trust_domain.clone()].into_iter().chain(aliases).collect();
        }
        let mut unread: Vec<String> = Vec::new();
        for (field, own) in [("trustDomain", &self.trust_domain), ("rootNamespace", &self.root)] {
            match take::<String>(&mut fields, field, "a name")? {
                Some(other) if other != *own && !other.is_empty() => {
                    unread.push(format!("{field} (the installation says {own})"));
                }
                _ => {}
            }
        }
        unread.extend(fields.into_iter().map(|(field, _)| field));
        Ok((common, unread))
    }
}

/// Tells whether a configuration can be used at all.
///
/// # Errors
/// What is wrong, and where.
pub fn check(text: &str) -> Result<(), String> {
    let base = Common { trust_domains: vec![], normalization: Normalization::Base, providers: Providers::default() };
    MeshConfig::new(base, "", "").read(text).map(drop)
}

fn take<T: DeserializeOwned>(fields: &mut Map<String, Value>, field: &str, wanted: &str) -> Result<Option<T>, String> {
    let value = fields.remove(field).filter(|value| !value.is_null());
    value.map(serde_json::from_value).transpose().map_err(|error| format!("{field}: want {wanted}: {error}"))
}

/// Tells what is there, at first and at each change, for as long as somebody listens.
pub async fn watch(client: Client, namespace: String, sender: mpsc::Sender<Text>) {
    let api = Api::<ConfigMap>::namespaced(client, &namespace);
    let one = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
    let mut events = Box::pin(watcher::watcher(api, one).default_backoff());
    let mut listed = None;
    let text = |map: ConfigMap| map.data.and_then(|mut data| data.remove(KEY));
    while let Some(event) = events.next().await {
        let found = match event {
            Ok(Event::Init) => {
                listed = None;
                continue;
            }
            // Not every API filters by name.
            Ok(Event::InitApply(map) | Event::Apply(map) | Event::Delete(map)) if map.name_any() != NAME => continue,
            Ok(Event::InitApply(map)) => {
                listed = text(map);
                continue;
            }
            Ok(Event::InitDone) => listed.take(),
            Ok(Event::Apply(map)) => text(map),
            Ok(Event::Delete(_)) => None,
            Err(error) => {
                warn!(%error, "watch of ConfigMap {NAME} failed, trying again");
                continue;
            }
        };
        if sender.send(found).await.is_err() {
            return;
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
            assert_eq!(config.hear(&Some(bad.to_owned())), None, "{bad}");
            assert_eq!(config.now, now, "{bad}");
        }
        assert_eq!(config.hear(&Some(good.to_owned())), None);
        // Each field for itself; one that is not there is as the environment says.
        let part = config.hear(&Some("pathNormalization: {normalization: DEFAULT}".to_owned())).expect("it is another");
        assert_eq!(*part, Common { normalization: Normalization::Base, ..base.clone() });
        assert_eq!(config.hear(&Some(String::new())), Some(&base));
        assert_eq!(config.hear(&None), None);
    }

    #[test]
    fn what_has_no_effect_and_what_is_wrong_is_named() {
        let config = config();
        let unread = |text: &str| config.read(text).map(|(_, unread)| unread).expect("good");
        assert_eq!(
            unread("trustDomain: other\nrootNamespace: istio-system\nenableTracing: true\ndefaultConfig: {}"),
            ["trustDomain (the installation says td)", "defaultConfig", "enableTracing"],
        );
        let why = |text: &str| config.read(text).expect_err("wrong");
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
