use Normalization::{Base, DecodeAndMergeSlashes, MergeSlashes, None as AsItCame};
use proptest::prelude::*;

use super::*;

const ALL: [Normalization; 4] = [AsItCame, Base, MergeSlashes, DecodeAndMergeSlashes];

#[test]
fn each_step_includes_those_before() {
    // As it came, then what becomes of it by each step.
    let rows = [
        ("/", ["/", "/", "/"]),
        ("/a/b", ["/a/b", "/a/b", "/a/b"]),
        ("/a/../b", ["/b", "/b", "/b"]),
        ("/a/./b", ["/a/b", "/a/b", "/a/b"]),
        ("/a/.", ["/a/", "/a/", "/a/"]),
        ("/a/b/..", ["/a/", "/a/", "/a/"]),
        ("/..", ["/", "/", "/"]),
        ("/../../a", ["/a", "/a", "/a"]),
        ("/.a/..b/c./...", ["/.a/..b/c./...", "/.a/..b/c./...", "/.a/..b/c./..."]),
        ("\\da", ["/da", "/da", "/da"]),
        ("/a\\..\\b", ["/b", "/b", "/b"]),
        ("/a/%2e%2E/b", ["/b", "/b", "/b"]),
        ("/a/.%2e/b", ["/b", "/b", "/b"]),
        ("/a/%2e", ["/a/", "/a/", "/a/"]),
        ("/a//b", ["/a//b", "/a/b", "/a/b"]),
        ("//a///", ["//a///", "/a/", "/a/"]),
        ("/a//../b", ["/a/b", "/a/b", "/a/b"]),
        ("/..//../a", ["/a", "/a", "/a"]),
        ("/a%2fb", ["/a%2fb", "/a%2fb", "/a/b"]),
        ("/a%5Cb", ["/a%5Cb", "/a%5Cb", "/a/b"]),
        ("/a%2F%2Fb", ["/a%2F%2Fb", "/a%2F%2Fb", "/a/b"]),
        (
            "/private/..%2Fpublic%5c%2e%2Fabc",
            ["/private/..%2Fpublic%5c.%2Fabc", "/private/..%2Fpublic%5c.%2Fabc", "/public/abc"],
        ),
        ("/%41%7a%30%2d%5F%7e", ["/Az0-_~", "/Az0-_~", "/Az0-_~"]),
        ("/a%20b%3a%0A%ff", ["/a%20b%3a%0A%ff", "/a%20b%3a%0A%ff", "/a%20b%3a%0A%ff"]),
        ("/%252e%252e/a", ["/%252e%252e/a", "/%252e%252e/a", "/%252e%252e/a"]),
        (
            "/é \"<>^`{|}",
            [
                "/%C3%A9%20%22%3C%3E%5E%60%7B%7C%7D",
                "/%C3%A9%20%22%3C%3E%5E%60%7B%7C%7D",
                "/%C3%A9%20%22%3C%3E%5E%60%7B%7C%7D",
            ],
        ),
        (
            "/a;x=1/b,c@d:[e]!$&'()*+=",
            ["/a;x=1/b,c@d:[e]!$&'()*+=", "/a;x=1/b,c@d:[e]!$&'()*+=", "/a;x=1/b,c@d:[e]!$&'()*+="],
        ),
        ("", ["/", "/", "/"]),
        ("*", ["*", "*", "*"]),
    ];
    for (path, wanted) in rows {
        for (how, wanted) in ALL[1..].iter().zip(wanted) {
            assert_eq!(normalize(path, *how).as_deref(), Ok(wanted), "{path} {how:?}");
        }
        if path.starts_with('/') {
            assert_eq!(normalize(path, AsItCame), Ok(path.into()), "{path}");
        }
    }
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    let rows = [
        ("/a\0", Refused::Character('\0'), true),
        ("/a\r\nb", Refused::Character('\r'), true),
        ("/a\x7f", Refused::Character('\x7f'), true),
        ("/a#b", Refused::Character('#'), true),
        ("a/b", Refused::Relative, true),
        ("%2Fa", Refused::Relative, true),
        ("http://a/", Refused::Relative, true),
        ("/a%00b", Refused::Nul, false),
        ("/a%", Refused::Escape(2), false),
        ("/a%4", Refused::Escape(2), false),
        ("/a%zz", Refused::Escape(2), false),
        ("/a%é", Refused::Escape(2), false),
        ("/%%32e%%32e/a", Refused::Escape(1), false),
        ("/%2%65/a", Refused::Escape(1), false),
    ];
    for (path, wanted, always) in rows {
        for how in ALL {
            let found = normalize(path, how);
            let wanted = if always || how != AsItCame { Err(wanted) } else { Ok(path.into()) };
            assert_eq!(found, wanted, "{path:?} {how:?}");
        }
    }
    assert_eq!(normalize("\\a", AsItCame), Err(Refused::Relative));
}

#[test]
fn what_is_already_comparable_is_borrowed() {
    for path in ["/", "/a/b.c/..d", "/a%20b", "/%C3%A9", "*"] {
        assert!(matches!(normalize(path, DecodeAndMergeSlashes), Ok(Cow::Borrowed(_))), "{path}");
    }
}

fn any_path() -> impl Strategy<Value = String> {
    let parts = vec![
        "/", "/", "/", ".", "..", "\\", "%2e", "%2E", "%2f", "%5C", "%25", "%41", "%3a", "%00", "%", "%2", "2", "e",
        "f", "a", "é", " ", "?", ";", "{**}", "\n",
    ];
    let part = prop_oneof![30 => prop::sample::select(parts), 1 => Just("\0")];
    prop::collection::vec(part, 0..16).prop_map(|parts| format!("/{}", parts.concat()))
}

/// Undoes all escapes, as a reader does who knows nothing of the mesh.
fn read(path: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, behind @ ..] = rest {
        let code = path.len() - behind.len()..path.len() - behind.len() + 2;
        let code = path.get(code).filter(|_| *first == b'%').and_then(|code| u8::from_str_radix(code, 16).ok());
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &behind[2..] } else { behind };
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_out_is_unambiguous(path in prop_oneof![5 => any_path(), 1 => any::<String>()], how in prop::sample::select(ALL.to_vec())) {
        let Ok(normal) = normalize(&path, how) else { return Ok(()) };
        prop_assert_eq!(normalize(&normal, how), Ok(Cow::Borrowed(&*normal)), "once more changes nothing");
        prop_assert!(normal.starts_with('/') || normal == "*");
        prop_assert!(!normal.contains(|c: char| c.is_ascii_control()));
        if how == AsItCame {
            prop_assert!(normal == path || path.is_empty());
            return Ok(());
        }
        prop_assert!(normal.split('/').all(|segment| segment != "." && segment != ".."), "{}", normal);
        prop_assert!(normal.is_ascii() && !normal.contains('\\'));
        prop_assert!(how < MergeSlashes || !normal.contains("//"));
        let lower = normal.to_ascii_lowercase();
        prop_assert!(!["%2e", "%41", "%00"].iter().any(|escape| lower.contains(escape)), "{}", normal);
        if how == DecodeAndMergeSlashes {
            prop_assert!(!lower.contains("%2f") && !lower.contains("%5c"));
            // Then who undoes escapes first and resolves dots after reads the same as who does not.
            let read = read(&normal);
            prop_assert!(read.split(|byte| *byte == b'/').all(|segment| segment != b"." && segment != b".."));
        }
    }

    #[test]
    fn escapes_that_mean_nothing_change_nothing(path in "(/[a-z.~]{0,3}){1,5}", at in prop::collection::vec(any::<bool>(), 24), how in prop::sample::select(ALL[1..].to_vec())) {
        let escaped: String = path.chars().zip(at.into_iter().chain(std::iter::repeat(false)))
            .map(|(c, escape)| if escape && c != '/' { format!("%{:02x}", u32::from(c)) } else { c.to_string() })
            .collect();
        prop_assert_eq!(normalize(&escaped, how), normalize(&path, how));
    }
}
