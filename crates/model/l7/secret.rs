//! Certificates and keys that a waypoint shows to servers, from Secrets. A key is told to the waypoint that uses it, and to nobody
//! else: neither a log nor a dump has it.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};

use crate::workload::Name;

/// A Secret of a waypoint's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secret {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
    /// What is in it, or why it cannot be used.
    pub content: Result<Content, Name>,
}

impl Secret {
    /// Returns the key of the Secret of a name.
    #[must_use]
    pub fn key(namespace: &str, name: &str) -> Name {
        format!("secret/{namespace}/{name}").into()
    }
}

/// What is in a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Content {
    /// The certificate with those that vouch for it, and its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pair: Option<Pair>,
    /// Authorities, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<Name>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pair {
    /// The certificate, then those that vouch for it, PEM.
    pub chain: Name,
    /// The key, PEM.
    pub key: Hidden,
}

/// A text that is written on the wire and nowhere else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(Name);

impl Hidden {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<Name>) -> Self {
        Self(text.into())
    }

    /// Returns the text, for who uses it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Writes a Secret as people may see it: which it is, and what is in it in words.
///
/// # Errors
/// Those of the serializer.
pub fn redacted<S: Serializer>(secret: &Arc<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        namespace: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        has: Vec<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        fault: Option<&'a str>,
    }
    let content = secret.content.as_ref().ok();
    let pair = content.is_some_and(|c| c.pair.is_some()).then_some("certificate and key, redacted");
    let roots = content.is_some_and(|c| c.roots.is_some()).then_some("authorities");
    let shown = Shown {
        namespace: &secret.namespace,
        name: &secret.name,
        has: pair.into_iter().chain(roots).collect(),
        fault: secret.content.as_ref().err().map(|fault| &**fault),
    };
    shown.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l7::{Resource, State};

    #[test]
    fn a_key_is_on_the_wire_and_nowhere_else() {
        let pair = Pair { chain: "PUBLIC".into(), key: Hidden::new("PRIVATE") };
        let content = Ok(Content { pair: Some(pair), roots: None });
        let resource = Resource::Secret(Secret { namespace: "shop".into(), name: "client".into(), content });
        let wire = serde_json::to_string(&resource).expect("it can be written");
        assert!(wire.contains("PRIVATE"));
        assert_eq!(serde_json::from_str::<Resource>(&wire).expect("it can be read"), resource);
        assert!(!format!("{resource:?}").contains("PRIVATE"));
        let mut state = State::default();
        state.insert(resource);
        let shown: Vec<String> =
            state.resources().map(|(_, held)| serde_json::to_string(held).expect("it can be written")).collect();
        assert_eq!(
            shown,
            [r#"{"secret":{"namespace":"shop","name":"client","has":["certificate and key, redacted"]}}"#]
        );
        assert!(!format!("{state:?}").contains("PRIVATE"));
        assert!(state.secret("client").is_some() && state.secret("other").is_none());
        state.remove("secret/shop/client");
        assert!(state.secret("client").is_none());
    }
}
