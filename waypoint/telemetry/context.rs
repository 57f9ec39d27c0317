//! The context of a trace, as headers carry it: W3C Trace Context, and Zipkin's B3 in one header or in several.

use http::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const B3: HeaderName = HeaderName::from_static("b3");
const B3_TRACE: HeaderName = HeaderName::from_static("x-b3-traceid");
const B3_SPAN: HeaderName = HeaderName::from_static("x-b3-spanid");
const B3_PARENT: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const B3_SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const B3_FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// The headers in which a trace came, and goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    w3c: bool,
    single: bool,
    multiple: bool,
}

impl Forms {
    /// Those of a trace that begins here.
    #[must_use]
    pub fn of_new(zipkin: bool) -> Self {
        Self { w3c: true, single: false, multiple: zipkin }
    }
}

/// The context of a trace, with a span of our own in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace.
    pub trace: u128,
    /// Our span.
    pub span: u64,
    /// The span that ours is in.
    pub parent: Option<u64>,
    /// Whether spans are recorded.
    pub sampled: bool,
    /// Somebody wants to see it whatever the cost (B3's debug flag).
    debug: bool,
    forms: Forms,
}

/// What headers say.
struct Found {
    trace: Option<u128>,
    span: Option<u64>,
    sampled: Option<bool>,
    debug: bool,
}

impl Context {
    /// Continues a trace, or begins one in the given forms; `decide` is asked where nobody has decided whether it is sampled.
    #[must_use]
    pub fn of(headers: &HeaderMap, new: Forms, decide: impl FnOnce() -> bool) -> Self {
        let readings = (w3c(headers), single(headers), multiple(headers));
        let forms = Forms { w3c: readings.0.is_some(), single: readings.1.is_some(), multiple: readings.2.is_some() };
        let forms = if forms == Forms::default() { new } else { forms };
        let found = readings.0.or(readings.1).or(readings.2);
        let found = found.unwrap_or(Found { trace: None, span: None, sampled: None, debug: false });
        Self {
            trace: found.trace.unwrap_or_else(|| rand::random::<u128>().max(1)),
            span: rand::random::<u64>().max(1),
            parent: found.span,
            sampled: found.debug || found.sampled.unwrap_or_else(decide),
            debug: found.debug,
            forms,
        }
    }

    /// Writes it where the next one reads it.
    pub fn write(&self, headers: &mut HeaderMap) {
        let Self { trace, span, sampled, .. } = *self;
        let mut set = |name: HeaderName, text: String| {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        };
        let flag = if self.debug {
            "d"
        } else if sampled {
            "1"
        } else {
            "0"
        };
        if self.forms.w3c {
            set(TRACEPARENT, format!("00-{trace:032x}-{span:016x}-{:02x}", u8::from(sampled)));
        }
        if self.forms.single {
            let parent = self.parent.map(|parent| format!("-{parent:016x}")).unwrap_or_default();
            set(B3, format!("{trace:032x}-{span:016x}-{flag}{parent}"));
        }
        if self.forms.multiple {
            set(B3_TRACE, format!("{trace:032x}"));
            set(B3_SPAN, format!("{span:016x}"));
            if let Some(parent) = self.parent {
                set(B3_PARENT, format!("{parent:016x}"));
            }
            if !self.debug {
                set(B3_SAMPLED, flag.to_owned());
            }
        }
        // It belongs to a `traceparent` (Trace Context 3.3.1), and one that begins here has none.
        if self.parent.is_none() && self.forms.w3c {
            headers.remove(TRACESTATE);
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Reads hexadecimal digits, so many of them, that are not all zero.
fn hex(text: &str, lengths: &[usize]) -> Option<u128> {
    let digits = lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().filter(|id| *id != 0)
}

fn span(text: &str) -> Option<u64> {
    hex(text, &[16]).and_then(|id| u64::try_from(id).ok())
}

/// Trace Context 3.2.2: later versions may add fields, and version `ff` is none.
fn w3c(headers: &HeaderMap) -> Option<Found> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let (value, None) = (all.next()?.to_str().ok()?.trim(), all.next()) else { return None };
    let mut fields = value.split('-');
    let version = fields.next().filter(|v| v.len() == 2 && *v != "ff" && v.bytes().all(|b| b.is_ascii_hexdigit()))?;
    // Only small letters (Trace Context 3.2.2.3).
    let small = !value.bytes().any(|b| b.is_ascii_uppercase());
    let (trace, span) = (hex(fields.next()?, &[32])?, span(fields.next()?)?);
    let flags = fields.next().filter(|f| f.len() == 2 && f.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    (small && (version != "00" || fields.next().is_none())).then_some(Found {
        trace: Some(trace),
        span: Some(span),
        sampled: Some(flags & 1 == 1),
        debug: false,
    })
}

/// B3, Single Header: `{TraceId}-{SpanId}[-{SamplingState}[-{ParentSpanId}]]`, or the sampling state alone.
fn single(headers: &HeaderMap) -> Option<Found> {
    let value = text(headers, &B3)?;
    let state = |text: &str| match text {
        "1" => Some((Some(true), false)),
        "0" => Some((Some(false), false)),
        "d" => Some((Some(true), true)),
        _ => None,
    };
    let Some((trace, rest)) = value.split_once('-') else {
        let (sampled, debug) = state(value)?;
        return Some(Found { trace: None, span: None, sampled, debug });
    };
    let mut fields = rest.split('-');
    let (trace, span) = (hex(trace, &[16, 32])?, span(fields.next()?)?);
    let (sampled, debug) = fields.next().map_or(Some((None, false)), state)?;
    Some(Found { trace: Some(trace), span: Some(span), sampled, debug })
}

fn multiple(headers: &HeaderMap) -> Option<Found> {
    let debug = text(headers, &B3_FLAGS) == Some("1");
    let sampled = match text(headers, &B3_SAMPLED) {
        Some("1" | "true") => Some(true),
        Some("0" | "false") => Some(false),
        _ => None,
    };
    let trace = text(headers, &B3_TRACE).and_then(|trace| hex(trace, &[16, 32]));
    let span = text(headers, &B3_SPAN).and_then(span);
    let (trace, span) = if trace.is_some() && span.is_some() { (trace, span) } else { (None, None) };
    (trace.is_some() || sampled.is_some() || debug).then_some(Found { trace, span, sampled, debug })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(&value.replace('T', TRACE)).expect("a value"))
        };
        all.iter().map(pair).collect()
    }

    /// Tells what goes on, with `T` for the trace that came, `P` for the span that came, and `S` and `N` for what is new.
    fn goes_on(came: &[(&'static str, &str)], decision: bool, zipkin: bool) -> Vec<String> {
        let mut map = headers(came);
        let context = Context::of(&map, Forms::of_new(zipkin), || decision);
        context.write(&mut map);
        let (trace, span) = (format!("{:032x}", context.trace), format!("{:016x}", context.span));
        let fmt = |v: &HeaderValue| {
            let text = v.to_str().expect("text").replace(TRACE, "T").replace(&trace, "N").replace(&span, "S");
            text.replace("00f067aa0ba902b7", "P")
        };
        let mut all: Vec<String> = map.iter().map(|(name, value)| format!("{name}: {}", fmt(value))).collect();
        all.sort();
        all
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_goes_on(values in proptest::collection::vec("[0-9a-f-]{0,60}|\\PC{0,20}", 6)) {
            let names = ["traceparent", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"];
            let pairs = names.iter().zip(&values);
            let mut came: HeaderMap = pairs
                .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).ok()?)))
                .collect();
            let context = Context::of(&came, Forms::of_new(true), || true);
            context.write(&mut came);
            let read = Context::of(&came, Forms::of_new(true), || false);
            proptest::prop_assert_eq!((read.trace, read.sampled), (context.trace, context.sampled));
            proptest::prop_assert_eq!(read.parent, Some(context.span));
        }
    }

    #[test]
    fn traces_go_on_in_the_form_in_which_they_came() {
        let p = "00f067aa0ba902b7";
        let (w, u) = (format!("00-T-{p}-01"), format!("00-T-{p}-00"));
        let (later, b3) = (format!("01-T-{p}-01-more"), format!("T-{p}-0-a3ce929d0e0e4736"));
        let (deb, open) = (format!("T-{p}-d"), format!("T-{p}"));
        type Row<'r> = (&'r [(&'static str, &'r str)], bool, &'r [&'r str]);
        let rows: &[Row<'_>] = &[
            (&[("traceparent", &w), ("tracestate", "a=b")], false, &["traceparent: 00-T-S-01", "tracestate: a=b"]),
            (&[("traceparent", &u)], true, &["traceparent: 00-T-S-00"]),
            (&[("traceparent", &later)], false, &["traceparent: 00-T-S-01"]),
            (&[("b3", &b3)], true, &["b3: T-S-0-P"]),
            (&[("b3", &deb)], false, &["b3: T-S-d-P"]),
            (&[("b3", &open)], true, &["b3: T-S-1-P"]),
            (&[("b3", "0")], true, &["b3: N-S-0"]),
            (
                &[("x-b3-traceid", "a3ce929d0e0e4736"), ("x-b3-spanid", p), ("x-b3-sampled", "1")],
                false,
                &["x-b3-parentspanid: P", "x-b3-sampled: 1", "x-b3-spanid: S", "x-b3-traceid: N"],
            ),
            (&[("x-b3-sampled", "0")], true, &["x-b3-sampled: 0", "x-b3-spanid: S", "x-b3-traceid: N"]),
            (&[("traceparent", &w), ("b3", &b3)], false, &["b3: T-S-1-P", "traceparent: 00-T-S-01"]),
            // None, or none that can be read.
            (&[], true, &["traceparent: 00-N-S-01"]),
            (&[], false, &["traceparent: 00-N-S-00"]),
            (&[("traceparent", "00-0-1-01"), ("tracestate", "a=b")], true, &["traceparent: 00-N-S-01"]),
            (&[("traceparent", "ff-T-00f067aa0ba902b7-01")], true, &["traceparent: 00-N-S-01"]),
            (&[("traceparent", "00-T-0000000000000000-01")], true, &["traceparent: 00-N-S-01"]),
            (&[("traceparent", "00-T-00f067aa0ba902b7-01-x")], true, &["traceparent: 00-N-S-01"]),
            (&[("traceparent", "00-T-00f067aa0ba902b7-+1")], false, &["traceparent: 00-N-S-00"]),
            (&[("traceparent", "00-T-00F067AA0BA902B7-01")], false, &["traceparent: 00-N-S-00"]),
            (&[("traceparent", "")], true, &["traceparent: 00-N-S-01"]),
        ];
        for (came, decision, wanted) in rows {
            assert_eq!(goes_on(came, *decision, false), *wanted, "{came:?}");
        }
        let both = ["traceparent: 00-N-S-01", "x-b3-sampled: 1", "x-b3-spanid: S", "x-b3-traceid: N"];
        assert_eq!(goes_on(&[], true, true), both);
    }
}
