use super::*;

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Follows text in pieces of a length; returns where messages end, and where it is cut.
fn followed(text: &[u8], piece: usize) -> (Vec<(usize, Head)>, Option<usize>) {
    let (mut framing, mut at, mut heads, mut ends) = (Framing::default(), 0, Vec::new(), Vec::new());
    while at < text.len() {
        let to = (at + piece).min(text.len());
        let step = framing.follow(&text[at..to]);
        heads.extend(step.head);
        at += step.used;
        if framing.is_cut() {
            if let Some(head) = heads.pop() {
                ends.push((at, head));
            }
            return (ends, Some(at));
        }
        assert!(step.used > 0, "it goes on");
        if matches!(framing.state, State::Head)
            && let Some(head) = heads.pop()
        {
            ends.push((at, head));
        }
    }
    (ends, None)
}

#[test]
fn messages_end_where_everybody_takes_them_to_end() {
    let chunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let sized = |size: &str| format!("POST / HTTP/1.1\r\nhost: a\r\nContent-Length:{size}\r\n\r\n");
    // What comes, how many of it are of messages that end, and whether it is cut there.
    let rows: Vec<(String, usize, bool)> = vec![
        (GET.into(), 1, false),
        (format!("\r\n\r\n{GET}{GET}"), 2, false),
        (format!("{}abc{GET}", sized(" 3\t")), 2, false),
        (format!("{}{GET}", sized("0")), 2, false),
        (format!("{chunked}3\r\nabc\r\nA;b=\"c\"\r\n0123456789\r\n0\r\n\r\n{GET}"), 2, false),
        (format!("{chunked}0\r\na: b\r\nc: d\r\n\r\n{GET}"), 2, false),
        (format!("{chunked}1 ;a\r\nb\r\n000\r\n\r\n{GET}"), 2, false),
        (format!("{chunked}1 \r\nb\r\n0\r\n\r\n{GET}"), 1, true),
        (format!("{chunked}1\nb\r\n0\r\n\r\n{GET}"), 1, true),
        (format!("{chunked}1\r\nbc\r\n0\r\n\r\n{GET}"), 1, true),
        (format!("{chunked}10000000000000000\r\n"), 1, true),
        (format!("{chunked}0\r\na: b\n\r\n{GET}"), 1, true),
        (sized("+3"), 1, true),
        (sized("3, 3"), 1, true),
        (sized("18446744073709551616"), 1, true),
        (sized("3\r\ncontent-length: 4"), 1, true),
        (format!("{}abc{GET}", sized("3\r\ncontent-length: 3")), 2, false),
        (sized("3\r\ntransfer-encoding: chunked"), 1, true),
        ("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".into(), 1, true),
        ("POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n".into(), 1, true),
        (chunked.replace("\r\n\r\n", "\r\ntransfer-encoding: chunked\r\n\r\n"), 1, true),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n".into(), 1, true),
        (GET.replace("\r\n", "\n"), 1, true),
        (format!("\n{GET}"), 1, true),
    ];
    for (text, messages, cut) in rows {
        let whole = followed(text.as_bytes(), usize::MAX / 2);
        assert_eq!((whole.0.len(), whole.1.is_some()), (messages, cut), "{text:?}: {whole:?}");
        for piece in 1..text.len() {
            assert_eq!(followed(text.as_bytes(), piece), whole, "{text:?} in pieces of {piece}");
        }
    }
}

#[test]
fn what_the_parser_would_take_is_told() {
    let told = |text: &str| Framing::default().follow(text.as_bytes()).head.expect("a whole head").fault;
    assert_eq!(told(GET), None);
    assert_eq!(told("GET / HTTP/1.1\r\nhost: a\n\r\n"), Some(Fault::BareLineFeed));
    let both = "GET / HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\nCONTENT-LENGTH: 1\r\n\r\n";
    assert_eq!(told(both), Some(Fault::LengthAndCoding));
}

#[test]
fn a_head_without_end_is_given_up() {
    let mut framing = Framing::default();
    let mut taken = 0;
    while !framing.is_cut() {
        taken += framing.follow(&[b'a'; 1 << 10]).used;
        assert!(taken < 1 << 20);
    }
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever comes, in whatever pieces: no panic, the same reading, and no more than came.
        #[test]
        fn pieces_change_nothing(
            parts in prop::collection::vec(prop::sample::select(vec![
                "GET / HTTP/1.1", "POST / HTTP/1.0", "\r\n", "\n", "\r", "content-length: 3", "content-length: 0", "a: b", ":", " ",
                "transfer-encoding: chunked", "0", "3", "f;x", "abc", "\r\n\r\n", "\0", "CONNECT a:1 HTTP/1.1",
            ]), 0..24),
            piece in 1_usize..9,
        ) {
            let text = parts.concat();
            prop_assert_eq!(followed(text.as_bytes(), piece), followed(text.as_bytes(), usize::MAX / 2));
        }
    }
}
