//! The sizes of a waypoint, as annotations of its gateway give them: what `ambient waypoint apply` writes.

use source::object::Map;

/// How many pods.
pub const REPLICAS: &str = "ambient.istio.io/replicas";
/// From how many to how many, by load: `2-6`.
pub const AUTOSCALE: &str = "ambient.istio.io/autoscale";
/// By what load: `cpu=80`, `requests=50`, or both.
pub const AUTOSCALE_ON: &str = "ambient.istio.io/autoscale-on";
/// The processors that are set aside for a pod.
pub const CPU: &str = "ambient.istio.io/cpu";
/// The memory that is set aside for a pod.
pub const MEMORY: &str = "ambient.istio.io/memory";

/// The most pods that make sense of one waypoint: more is a slip.
const MOST: u32 = 1000;
/// What a processor request may be, in processors.
const PROCESSORS: std::ops::RangeInclusive<f64> = 0.001..=1024.0;
/// What a memory request may be, in bytes.
const BYTES: std::ops::RangeInclusive<f64> = 4_194_304.0..=17_592_186_044_416.0;

/// By which load pods are counted: at least by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The processor time that pods shall take, per cent of their requests.
    pub cpu: Option<u32>,
    /// The requests that each pod shall have under way.
    pub requests: Option<u32>,
}

impl Default for Load {
    fn default() -> Self {
        Self { cpu: Some(80), requests: None }
    }
}

/// What the annotations ask for; what they do not name is as by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The number of pods.
    pub replicas: Option<u32>,
    /// The least and the most pods.
    pub autoscale: Option<(u32, u32)>,
    /// By which load.
    pub load: Load,
    /// A quantity.
    pub cpu: Option<String>,
    /// A quantity.
    pub memory: Option<String>,
}

/// Reads the annotations of a gateway.
///
/// # Errors
/// All that is wrong, each a sentence with what would be right.
pub fn read(annotations: &Map) -> Result<Sizes, Vec<String>> {
    let mut faults = Vec::new();
    let text = |name: &str| annotations.get(name).map(|value| value.trim());
    let mut wrong = |name: &str, want: &str| {
        let value = annotations.get(name).map_or("", String::as_str);
        faults.push(format!("annotation {name} is {value:?}: want {want}"));
    };
    let count = |text: &str| text.trim().parse().ok().filter(|n| (1..=MOST).contains(n));
    let replicas = text(REPLICAS).map(count);
    if replicas == Some(None) {
        wrong(REPLICAS, &format!("a number from 1 to {MOST}"));
    }
    let range = |text: &str| {
        let (least, most) = text.split_once('-')?;
        Some((count(least)?, count(most)?)).filter(|(least, most)| least <= most)
    };
    let autoscale = text(AUTOSCALE).map(range);
    if autoscale == Some(None) {
        wrong(AUTOSCALE, &format!("the least and the most pods, such as 2-6, of 1 to {MOST}"));
    }
    let load = text(AUTOSCALE_ON).map(load);
    if load == Some(None) {
        wrong(AUTOSCALE_ON, "cpu=PERCENT, requests=NUMBER for each pod, or both with a comma between");
    }
    let (cpu, memory) = (text(CPU), text(MEMORY));
    if cpu.is_some_and(|text| !quantity(text).is_some_and(|n| PROCESSORS.contains(&n))) {
        wrong(CPU, "a quantity of processors, such as 250m or 1.5");
    }
    if memory.is_some_and(|text| !quantity(text).is_some_and(|n| BYTES.contains(&n))) {
        wrong(MEMORY, "a quantity of memory of 4Mi or more, such as 128Mi or 1Gi");
    }
    if text(REPLICAS).is_some() && text(AUTOSCALE).is_some() {
        faults.push(format!("annotations {REPLICAS} and {AUTOSCALE} exclude each other: want one of them"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Sizes {
        replicas: replicas.flatten(),
        autoscale: autoscale.flatten(),
        load: load.flatten().unwrap_or_default(),
        cpu: cpu.map(str::to_owned),
        memory: memory.map(str::to_owned),
    })
}

/// Reads by which load: each word once.
fn load(text: &str) -> Option<Load> {
    let mut load = Load { cpu: None, requests: None };
    for word in text.split(',') {
        let (name, value) = word.split_once('=')?;
        let value = value.trim().parse().ok().filter(|n| (1..=100_000).contains(n))?;
        let of = match name.trim() {
            "cpu" => &mut load.cpu,
            "requests" => &mut load.requests,
            _ => return None,
        };
        if of.replace(value).is_some() {
            return None;
        }
    }
    Some(load)
}

/// Reads a quantity as Kubernetes writes it: a decimal number with a suffix of thousands, of 1024s, or an exponent.
fn quantity(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let scale = match suffix {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        _ => 10_f64.powi(suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|e: &i32| e.abs() < 20)?),
    };
    Some(number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(pairs: &[(&str, &str)]) -> Map {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn sizes_are_read() {
        let all = [(REPLICAS, "3"), (CPU, "250m"), (MEMORY, "128Mi")];
        let sizes = Sizes {
            replicas: Some(3),
            autoscale: None,
            load: Load { cpu: Some(80), requests: None },
            cpu: Some("250m".to_owned()),
            memory: Some("128Mi".to_owned()),
        };
        assert_eq!(read(&annotations(&all)), Ok(sizes));
        assert_eq!(read(&annotations(&[])), Ok(Sizes::default()));
        let autoscale = |text| read(&annotations(&[(AUTOSCALE, text)])).ok().and_then(|s| s.autoscale);
        assert_eq!(autoscale("2-6"), Some((2, 6)));
        assert_eq!(autoscale(" 2 - 2 "), Some((2, 2)));
        let load = |text| read(&annotations(&[(AUTOSCALE_ON, text)])).ok().map(|s| (s.load.cpu, s.load.requests));
        assert_eq!(load("requests=50"), Some((None, Some(50))));
        assert_eq!(load("cpu=70, requests=9"), Some((Some(70), Some(9))));
    }

    #[test]
    fn what_is_no_size_is_told() {
        let rows = [
            (REPLICAS, ["", "0", "-1", "two", "1.5", "1001", "99999999999"].as_slice()),
            (AUTOSCALE, &["", "2", "6-2", "0-2", "2-", "-6", "2-6-8", "2..6", "1-1001"]),
            (
                AUTOSCALE_ON,
                &["", "cpu", "cpu=", "cpu=0", "cpu=80%", "memory=5", "cpu=1,cpu=2", "requests=-1", "cpu=1,"],
            ),
            (CPU, &["", "0", "-1", "100Mi", "250 m", "1,5", "m", "1e99", "NaN", "infinity"]),
            (MEMORY, &["", "0", "64", "64m", "64K", "64MB", "64 Mi", "Mi", "999Ti"]),
        ];
        for (name, values) in rows {
            for value in values {
                let told = read(&annotations(&[(name, value)])).expect_err(value);
                assert_eq!(told.len(), 1, "{name} {value}");
                assert!(told[0].contains(name) && told[0].contains(&format!("{value:?}: want")), "{}", told[0]);
            }
        }
        let both = read(&annotations(&[(REPLICAS, "2"), (AUTOSCALE, "2-6")])).expect_err("both");
        assert!(both[0].contains("exclude each other"), "{both:?}");
    }
}
