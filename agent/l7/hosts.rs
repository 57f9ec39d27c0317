//! Names of hosts as Istio's API writes them, and to whom an object is shown.

use std::collections::BTreeSet;

/// Returns the whole name of a host: one without dots is a service of the namespace.
#[must_use]
pub fn full(host: &str, namespace: &str, domain: &str) -> String {
    let host = host.to_ascii_lowercase();
    if host.contains('.') || host.contains('*') { host } else { format!("{host}.{namespace}.svc.{domain}") }
}

/// Returns the domain below which a pattern (`*` or `*.domain`) takes hosts; none for a plain host.
#[must_use]
pub fn wildcard(pattern: &str) -> Option<&str> {
    if pattern == "*" { Some("") } else { pattern.strip_prefix("*.") }
}

/// Returns the domains above a host, the nearest first and the root, which is empty, last.
pub fn above(host: &str) -> impl Iterator<Item = &str> {
    fn rest<'h>(name: &&'h str) -> Option<&'h str> {
        (!name.is_empty()).then(|| name.split_once('.').map_or("", |(_, rest)| rest))
    }
    std::iter::successors(rest(&host), rest)
}

/// The namespaces whose clients an object is for (`exportTo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All of them.
    Everybody,
    /// These.
    Namespaces(BTreeSet<String>),
}

impl Audience {
    /// Reads the field of an object of a namespace: `.` is that namespace, `*` all, `~` none.
    #[must_use]
    pub fn of(export_to: &[String], namespace: &str) -> Self {
        if export_to.is_empty() || export_to.iter().any(|e| e == "*") {
            return Self::Everybody;
        }
        let names = export_to.iter().filter(|e| *e != "~").map(|e| if e == "." { namespace } else { e });
        Self::Namespaces(names.map(str::to_owned).collect())
    }

    /// Tells whether a namespace is among them.
    #[must_use]
    pub fn has(&self, namespace: &str) -> bool {
        match self {
            Self::Everybody => true,
            Self::Namespaces(names) => names.contains(namespace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_services_of_the_namespace() {
        let full = |host| full(host, "shop", "cluster.local");
        assert_eq!(full("Orders"), "orders.shop.svc.cluster.local");
        assert_eq!(full("orders.other"), "orders.other");
        assert_eq!(full("*"), "*");
        assert_eq!(full("*.example.com"), "*.example.com");
    }

    #[test]
    fn domains_stand_above_hosts() {
        assert_eq!(above("a.b.c").collect::<Vec<_>>(), ["b.c", "c", ""]);
        assert_eq!(above("a").collect::<Vec<_>>(), [""]);
        assert_eq!((wildcard("*"), wildcard("*.b.c"), wildcard("b.c")), (Some(""), Some("b.c"), None));
    }

    #[test]
    fn objects_are_for_whom_they_say() {
        let of = |export: &[&str]| Audience::of(&export.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>(), "shop");
        for (export, shop, other) in [
            (&[][..], true, true),
            (&["*"], true, true),
            (&["."], true, false),
            (&["other"], false, true),
            (&[".", "other"], true, true),
            (&["~"], false, false),
        ] {
            assert_eq!((of(export).has("shop"), of(export).has("other")), (shop, other), "{export:?}");
        }
    }
}
