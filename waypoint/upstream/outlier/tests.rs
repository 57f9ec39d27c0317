use super::*;

fn outliers() -> Outliers {
    Outliers {
        consecutive_5xx: 3,
        consecutive_gateway: 0,
        consecutive_local: 0,
        statuses: Vec::new(),
        interval: Duration::from_secs(10),
        ejection: Duration::from_secs(30),
        max_percent: 100,
        min_health_percent: 0,
    }
}

fn hosts(count: u8) -> (Hosts, Vec<Arc<Host>>) {
    let hosts = Hosts::default();
    let addresses: Vec<SocketAddr> = (0..count).map(|n| ([10, 0, 0, n], 80).into()).collect();
    let kept = hosts.keep(&addresses, Instant::now());
    (hosts, kept)
}

#[test]
fn what_fails_in_a_row_is_left_alone() {
    use Outcome::{Broken, Connected, Status};
    let gateway = Outliers { consecutive_5xx: 0, consecutive_gateway: 2, ..outliers() };
    let apart = Outliers { consecutive_local: 2, ..outliers() };
    let own = Outliers { statuses: vec![404], ..outliers() };
    let never = Outliers { consecutive_5xx: 0, ..outliers() };
    type Row<'r> = (&'r Outliers, &'static [Outcome], bool);
    let plain = outliers();
    let rows: [Row<'_>; 14] = [
        (&plain, &[Status(500), Status(500)], false),
        (&plain, &[Status(500), Status(503), Status(599)], true),
        (&plain, &[Status(500), Status(500), Status(200), Status(500)], false),
        (&plain, &[Status(500), Broken, Broken], true),
        (&plain, &[Broken, Broken, Connected, Broken], false),
        (&gateway, &[Status(502), Status(504)], true),
        (&gateway, &[Status(502), Broken], true),
        (&gateway, &[Status(502), Status(500), Status(502)], false),
        (&apart, &[Broken, Broken], true),
        (&apart, &[Broken, Status(500), Status(500), Broken], false),
        (&apart, &[Broken, Connected, Broken], false),
        (&own, &[Status(404), Status(404), Status(404)], true),
        (&own, &[Status(500), Status(500), Status(500)], false),
        (&never, &[Status(500), Status(500), Status(500), Broken], false),
    ];
    for (outliers, outcomes, wanted) in rows {
        let (hosts, kept) = hosts(4);
        for outcome in outcomes {
            hosts.note(&kept[0], *outcome, outliers, Instant::now);
        }
        assert_eq!(kept[0].is_ejected(), wanted, "{outliers:?} {outcomes:?}");
        assert_eq!(hosts.version(), u64::from(wanted));
    }
}

fn fail(hosts: &Hosts, host: &Arc<Host>, outliers: &Outliers) {
    (0..3).for_each(|_| hosts.note(host, Outcome::Status(500), outliers, Instant::now));
}

#[test]
fn no_more_than_so_many_percent() {
    for (percent, wanted) in [(0, 0), (10, 1), (50, 2), (60, 3), (100, 4)] {
        let outliers = Outliers { max_percent: percent, ..outliers() };
        let (hosts, kept) = hosts(4);
        kept.iter().for_each(|host| fail(&hosts, host, &outliers));
        assert_eq!(kept.iter().filter(|h| h.is_ejected()).count(), wanted, "{percent}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_time_is_longer_until_it_was_well_for_a_while() {
    let (hosts, kept) = hosts(2);
    let outliers = outliers();
    let host = &kept[0];
    let alone = async || {
        fail(&hosts, host, &outliers);
        let begun = Instant::now();
        while host.is_ejected() {
            tokio::time::advance(Duration::from_secs(1)).await;
            hosts.revive(Instant::now);
        }
        begun.elapsed().as_secs()
    };
    assert_eq!([alone().await, alone().await, alone().await], [30, 60, 90]);
    // Two intervals take two of its times off.
    tokio::time::advance(Duration::from_secs(25)).await;
    assert_eq!(alone().await, 60);
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(alone().await, 30);
    for _ in 0..20 {
        alone().await;
    }
    assert_eq!(alone().await, 300, "never longer than that");
}

#[test]
fn what_is_gone_is_forgotten() {
    let (hosts, kept) = hosts(3);
    fail(&hosts, &kept[0], &outliers());
    let rest = [kept[1].address, kept[2].address];
    let again = hosts.keep(&rest, Instant::now());
    assert!(Arc::ptr_eq(&again[0], &kept[1]), "the others stay the same");
    fail(&hosts, &kept[0], &outliers());
    let version = hosts.version();
    let back = hosts.keep(&[kept[0].address, rest[0], rest[1]], Instant::now());
    assert!(!back[0].is_ejected() && !Arc::ptr_eq(&back[0], &kept[0]), "one that comes back is a new one");
    // A late outcome of the old one is nobody's.
    kept[0].until.store(0, Ordering::Relaxed);
    fail(&hosts, &kept[0], &outliers());
    assert_eq!(hosts.version(), version);
    fail(&hosts, &back[1], &outliers());
    hosts.forgive();
    assert!(back.iter().all(|host| !host.is_ejected()));
}
