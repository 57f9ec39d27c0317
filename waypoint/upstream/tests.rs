//! Requests of clients to servers, under policies.

mod bed;

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use model::{
    l7::destination::{
        Balancer, ClientTls, HashKey, HashPolicy, Locality, Outliers, Pool, RetryBudget, Roots, TrafficPolicy, Tunnel,
        Upgrade, Warmup,
    },
    l7::filter::Session,
    workload::Locality as Place,
};
use runtime::resolve::{Look, Names};

use self::bed::{Bed, Kind, Server};

fn outliers() -> Outliers {
    Outliers {
        consecutive_5xx: 3,
        consecutive_gateway: 0,
        consecutive_local: 0,
        statuses: Vec::new(),
        interval: Duration::from_secs(10),
        ejection: Duration::from_secs(300),
        max_percent: 100,
        min_health_percent: 0,
    }
}

fn pool(pool: Pool) -> TrafficPolicy {
    TrafficPolicy { pool, ..TrafficPolicy::default() }
}

#[tokio::test]
async fn who_fails_is_left_alone() {
    let servers = [Server::start(Kind::Http).await, Server::start(Kind::Http).await];
    servers[0].answers(500);
    let bed = Bed::new(&servers);
    bed.policy(TrafficPolicy {
        balancer: Balancer::RoundRobin,
        outliers: Some(outliers()),
        ..TrafficPolicy::default()
    });
    let mut failed = 0;
    for _ in 0..20 {
        failed += usize::from(bed.ask(&[]).await.status() == StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!((failed, servers[0].requests()), (3, 3));
    // On another thread as well.
    assert_eq!(bed.ask_on(1, &[]).await.status(), StatusCode::OK);
    assert_eq!(bed.ask_on(1, &[]).await.status(), StatusCode::OK);
    // Nobody is left: there is no answer at all.
    servers[1].answers(503);
    for _ in 0..3 {
        assert_eq!(bed.ask(&[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let before = servers[1].requests();
    assert_eq!(bed.ask(&[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(servers[1].requests(), before);
    // Unless so few are bad enough a reason to ask all.
    bed.policy(TrafficPolicy {
        outliers: Some(Outliers { min_health_percent: 50, ..outliers() }),
        ..TrafficPolicy::default()
    });
    servers.iter().for_each(|server| server.answers(200));
    assert_eq!(bed.ask(&[]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_cannot_be_reached_is_left_alone() {
    let servers = [Server::start(Kind::Http).await, Server::gone().await];
    let bed = Bed::new(&servers);
    bed.policy(TrafficPolicy {
        balancer: Balancer::RoundRobin,
        outliers: Some(outliers()),
        retry_budget: Some(RetryBudget { percent: 0.0, minimum: 1 }),
        ..TrafficPolicy::default()
    });
    for _ in 0..20 {
        assert_eq!(bed.ask(&[]).await.status(), StatusCode::OK, "it is tried again elsewhere");
    }
    assert_eq!(bed.ejected(), [false, true]);
}

#[tokio::test]
async fn no_repetition_beyond_its_budget() {
    let servers = [Server::start(Kind::Http).await, Server::gone().await];
    let bed = Bed::new(&servers);
    for (budget, wanted) in [(0, 5), (1, 10)] {
        bed.policy(TrafficPolicy {
            balancer: Balancer::RoundRobin,
            retry_budget: Some(RetryBudget { percent: 0.0, minimum: budget }),
            ..TrafficPolicy::default()
        });
        let mut well = 0;
        for _ in 0..10 {
            well += usize::from(bed.ask(&[]).await.status() == StatusCode::OK);
        }
        assert_eq!(well, wanted, "a budget of {budget}");
    }
}

#[tokio::test]
async fn too_much_at_once_is_refused() {
    type Row = (Pool, Kind, Upgrade, usize, usize);
    let rows: [Row; 7] = [
        // One that may have no more requests is not cut off from those that it has.
        (Pool { requests_per_connection: Some(1), ..Pool::default() }, Kind::Http2, Upgrade::Http2, 4, 4),
        (Pool::default(), Kind::Http, Upgrade::Http1, 4, 4),
        (Pool { max_requests: Some(2), ..Pool::default() }, Kind::Http, Upgrade::Http1, 2, 2),
        (Pool { max_connections: Some(1), ..Pool::default() }, Kind::Http, Upgrade::Http1, 4, 1),
        (Pool { max_connections: Some(1), max_pending: Some(1), ..Pool::default() }, Kind::Http, Upgrade::Http1, 2, 1),
        (Pool { max_connections: Some(1), ..Pool::default() }, Kind::Http2, Upgrade::Http2, 4, 1),
        (Pool { max_connections: Some(1), max_streams: Some(1), ..Pool::default() }, Kind::Http2, Upgrade::Http2, 4, 1),
    ];
    for (limits, kind, upgrade, wanted, connections) in rows {
        let servers = [Server::start(kind).await];
        servers[0].hold(true);
        let bed = Bed::new(&servers);
        bed.policy(pool(Pool { upgrade, ..limits.clone() }));
        let mut asking = Vec::new();
        for _ in 0..4 {
            let bed = bed.clone();
            asking.push(tokio::spawn(async move { bed.ask(&[]).await }));
            // One after the other: the first one has its connection.
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        servers[0].hold(false);
        let mut well = 0;
        for answer in asking {
            let answer = answer.await.unwrap();
            let refused = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
            assert_eq!(answer.headers().get("x-envoy-overloaded").is_some(), refused);
            well += usize::from(answer.status() == StatusCode::OK);
        }
        assert_eq!((well, servers[0].connections()), (wanted, connections), "{kind:?} {limits:?}");
    }
}

#[tokio::test]
async fn an_unused_connection_of_another_thread_makes_room() {
    let servers = [Server::start(Kind::Http).await, Server::start(Kind::Http).await];
    let bed = Bed::new(&servers);
    bed.policy(TrafficPolicy {
        balancer: Balancer::RoundRobin,
        ..pool(Pool { max_connections: Some(1), ..Pool::default() })
    });
    for turn in 0..6 {
        let asking = tokio::time::timeout(Duration::from_secs(5), bed.ask_on(turn % 2, &[]));
        assert_eq!(asking.await.expect("in time").status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn another_protocol_keeps_its_place() {
    let servers = [Server::start(Kind::Upgrade).await];
    let bed = Bed::new(&servers);
    bed.policy(pool(Pool { max_connections: Some(1), ..Pool::default() }));
    let headers = [("connection", "upgrade"), ("upgrade", "echo")];
    let (answer, first) = bed.go_over(&headers).await;
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let second = bed.go_over(&headers);
    tokio::pin!(second);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut second).await.is_err(), "there is no room");
    drop(first);
    let (answer, _) = tokio::time::timeout(Duration::from_secs(5), second).await.expect("room");
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
}

#[tokio::test]
async fn connections_serve_as_long_as_they_may() {
    let rows = [
        (Pool::default(), Kind::Http, 1),
        (Pool { requests_per_connection: Some(1), ..Pool::default() }, Kind::Http, 6),
        (Pool { requests_per_connection: Some(2), ..Pool::default() }, Kind::Http, 3),
        (Pool { requests_per_connection: Some(2), upgrade: Upgrade::Http2, ..Pool::default() }, Kind::Http2, 3),
        (Pool { max_age: Some(Duration::from_millis(1)), ..Pool::default() }, Kind::Http, 6),
        (Pool { http_idle: Some(Duration::from_millis(1)), ..Pool::default() }, Kind::Http, 6),
        (Pool { http_idle: Some(Duration::ZERO), ..Pool::default() }, Kind::Http, 1),
    ];
    for (limits, kind, wanted) in rows {
        let servers = [Server::start(kind).await];
        let bed = Bed::new(&servers);
        bed.policy(pool(limits.clone()));
        for _ in 0..6 {
            assert_eq!(bed.ask(&[]).await.status(), StatusCode::OK);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(servers[0].connections(), wanted, "{limits:?}");
    }
}

#[tokio::test]
async fn a_cookie_leads_back() {
    let servers: Vec<Server> = futures::future::join_all((0..4).map(|_| Server::start(Kind::Http))).await;
    let bed = Bed::new(&servers);
    let key =
        HashKey::Cookie { name: "stay".into(), path: None, ttl: Some(Duration::from_secs(60)), attributes: vec![] };
    for policy in [
        HashPolicy { key: key.clone(), ring: Some(1024), table: None },
        HashPolicy { key: key.clone(), ring: None, table: Some(65_537) },
    ] {
        bed.policy(TrafficPolicy { balancer: Balancer::Hash(policy), ..TrafficPolicy::default() });
        let first = bed.ask(&[]).await;
        let cookie = first.headers().get("set-cookie").unwrap().to_str().unwrap().to_owned();
        let pair = cookie.split(';').next().unwrap();
        for _ in 0..8 {
            let next = bed.ask(&[("cookie", pair)]).await;
            assert_eq!(next.headers().get("x-server"), first.headers().get("x-server"));
            assert_eq!(next.headers().get("set-cookie"), None);
        }
    }
}

#[tokio::test]
async fn clients_stay_where_they_began() {
    let servers: Vec<Server> = futures::future::join_all((0..4).map(|_| Server::start(Kind::Http))).await;
    let bed = Bed::new(&servers);
    let session = Some(Session { name: "x-stay".into(), header: true, lifetime: None });
    bed.policy(TrafficPolicy { session, outliers: Some(outliers()), ..TrafficPolicy::default() });
    let first = bed.ask(&[]).await;
    let token = first.headers().get("x-stay").unwrap().to_str().unwrap();
    let server = |answer: &http::Response<()>| answer.headers().get("x-server").unwrap().clone();
    for _ in 0..8 {
        assert_eq!(server(&bed.ask(&[("x-stay", token)]).await), server(&first));
    }
    // Until it is left alone: then it begins anew.
    let place = servers.iter().position(|s| server(&first) == s.address.to_string().as_str()).unwrap();
    bed.fail(place);
    let next = bed.ask(&[("x-stay", token)]).await;
    assert_ne!(server(&next), server(&first));
    assert_ne!(next.headers().get("x-stay"), first.headers().get("x-stay"));
}

#[tokio::test]
async fn tls_begins_as_asked() {
    let tls = |roots: Roots, credential: Option<&str>| ClientTls {
        server_name: Some("db.example.com".into()),
        subject_alt_names: vec![],
        roots,
        credential: credential.map(Into::into),
    };
    let servers = [Server::start(Kind::Tls).await];
    let root = || Roots::Pem(servers[0].root().into());
    let rows = [
        (tls(root(), None), Upgrade::Http1, StatusCode::OK),
        (tls(root(), None), Upgrade::Http2, StatusCode::OK),
        (tls(Roots::Unchecked, None), Upgrade::Http1, StatusCode::OK),
        (tls(Roots::System, None), Upgrade::Http1, StatusCode::SERVICE_UNAVAILABLE),
        (tls(Roots::Secret("s".into()), None), Upgrade::Http1, StatusCode::SERVICE_UNAVAILABLE),
        (tls(root(), Some("s")), Upgrade::Http1, StatusCode::SERVICE_UNAVAILABLE),
    ];
    // One service whose policy changes: a connection that began otherwise is nobody's any more.
    let bed = Bed::new(&servers);
    for (tls, upgrade, wanted) in rows {
        bed.policy(TrafficPolicy { tls: Some(tls.clone()), ..pool(Pool { upgrade, ..Pool::default() }) });
        assert_eq!(bed.ask(&[]).await.status(), wanted, "{tls:?} {upgrade:?}");
    }
    bed.policy(TrafficPolicy::default());
    assert_eq!(bed.ask(&[]).await.status(), StatusCode::SERVICE_UNAVAILABLE, "in the clear it is not understood");
}

#[tokio::test]
async fn connections_that_name_their_client_are_its_own() {
    let servers = [Server::start(Kind::Proxied).await];
    let bed = Bed::new(&servers);
    bed.policy(TrafficPolicy { proxy_protocol: Some(1), ..TrafficPolicy::default() });
    let (one, other) = (bed.client([10, 0, 0, 1]), bed.client([10, 0, 0, 2]));
    for (bed, wanted, connections) in [(&one, "10.0.0.1", 1), (&other, "10.0.0.2", 2), (&one, "10.0.0.1", 2)] {
        let answer = bed.ask(&[]).await;
        assert_eq!(answer.headers().get("x-client").unwrap(), wanted);
        assert_eq!(servers[0].connections(), connections);
    }
}

#[tokio::test]
async fn what_was_asked_for_is_reached() {
    let servers = [Server::start(Kind::Http).await, Server::gone().await];
    let bed = Bed::new(&servers[1..]);
    assert_eq!(bed.ask(&[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    bed.policy(TrafficPolicy { balancer: Balancer::Passthrough, ..TrafficPolicy::default() });
    let bed = bed.destined(servers[0].address);
    assert_eq!(bed.ask(&[]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn connections_are_passed_on_as_policies_say() {
    let servers = [Server::start(Kind::Echo).await];
    let bed = Bed::new(&servers);
    bed.policy(pool(Pool { max_connections: Some(1), ..Pool::default() }));
    let open = bed.open().await;
    let first = open.expect("the first one");
    assert!(bed.open().await.is_err_and(|failure| failure.is_overflow()));
    drop(first);
    assert!(bed.open().await.is_ok());

    let proxy = [Server::start(Kind::Connect(servers[0].address)).await];
    let bed = Bed::new(&proxy);
    let tunnel = Tunnel { host: "db.example.com".into(), port: 5432, post: false };
    bed.policy(TrafficPolicy { tunnel: Some(tunnel), ..TrafficPolicy::default() });
    bed.echo().await;
}

fn place(text: &str) -> Place {
    let mut parts = text.split('/').map(model::workload::Name::from);
    let mut next = || parts.next().unwrap_or_default();
    Place { region: next(), zone: next(), subzone: next() }
}

#[tokio::test]
async fn near_endpoints_come_first() {
    let servers: Vec<Server> = futures::future::join_all((0..4).map(|_| Server::start(Kind::Http))).await;
    let bed = Bed::new(&servers);
    bed.places(&place("eu/a"), &["eu/a", "eu/b", "us/a", "asia/a"].map(place));
    let failover = |outliers| TrafficPolicy {
        locality: Some(Locality::Failover(vec![("eu".into(), "asia".into())])),
        outliers,
        ..TrafficPolicy::default()
    };
    bed.policy(failover(None));
    let shares = bed.shares(4_000);
    assert!(shares.iter().all(|share| (share - 0.25).abs() < 0.04), "without effect: {shares:?}");
    bed.policy(failover(Some(outliers())));
    // Who is next takes over when the first is left alone: the zone, the named region, any other.
    for (gone, wanted) in [(None, 0), (Some(0), 1), (Some(1), 3), (Some(3), 2)] {
        if let Some(gone) = gone {
            bed.fail(gone);
        }
        assert!(bed.shares(200)[wanted] > 0.999, "{gone:?}: {:?}", bed.shares(200));
    }
    let to = [("eu/a".into(), 70), ("us".into(), 30)].into();
    bed.policy(TrafficPolicy {
        locality: Some(Locality::Distribute(vec![("eu/*".into(), to)])),
        ..TrafficPolicy::default()
    });
    let shares = bed.shares(4_000);
    assert!((shares[0] - 0.7).abs() < 0.04 && (shares[2] - 0.3).abs() < 0.04, "{shares:?}");
    assert!(shares[1] + shares[3] == 0.0, "{shares:?}");
}

#[tokio::test]
async fn zones_keep_their_share() {
    let servers: Vec<Server> = futures::future::join_all((0..4).map(|_| Server::start(Kind::Http))).await;
    let bed = Bed::new(&servers);
    // Our zone has half of the proxies, and a quarter of the endpoints.
    bed.places(&place("eu/a"), &["eu/a", "eu/b", "eu/b", "eu/b"].map(place));
    bed.peer(&place("eu/b"));
    let zone_aware = |min_endpoints| TrafficPolicy {
        locality: Some(Locality::ZoneAware { min_endpoints, failover: vec![], priority: vec![] }),
        ..TrafficPolicy::default()
    };
    for (least, wanted) in [(4, 0.5), (5, 0.25)] {
        bed.policy(zone_aware(least));
        let shares = bed.shares(4_000);
        assert!((shares[0] - wanted).abs() < 0.04, "{least}: {shares:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn time_heals() {
    let servers: Vec<Server> = futures::future::join_all((0..2).map(|_| Server::start(Kind::Http))).await;
    let bed = Bed::new(&servers);
    bed.policy(TrafficPolicy { outliers: Some(outliers()), ..TrafficPolicy::default() });
    bed.plan();
    bed.fail(0);
    for (wait, wanted) in [(0, 0.0), (299, 0.0), (2, 0.5)] {
        tokio::time::advance(Duration::from_secs(wait)).await;
        let share = bed.shares(2_000)[0];
        assert!((share - wanted).abs() < 0.05, "{wait}: {share}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_endpoint_is_warmed_up() {
    let warmup = Warmup { duration: Duration::from_secs(100), minimum_percent: 10.0, aggression: 1.0 };
    // What is drawn at random, or by a key, is drawn as ever.
    for (balancer, shares) in
        [(Balancer::RoundRobin, [1.0 / 11.0, 1.0 / 3.0, 0.5]), (Balancer::Random, [0.5, 0.5, 0.5])]
    {
        let servers: Vec<Server> = futures::future::join_all((0..2).map(|_| Server::start(Kind::Http))).await;
        let bed = Bed::new(&servers);
        bed.policy(TrafficPolicy { balancer: balancer.clone(), warmup: Some(warmup), ..TrafficPolicy::default() });
        bed.without(1);
        bed.plan();
        tokio::time::advance(Duration::from_secs(200)).await;
        bed.places(&place(""), &[place(""), place("")]);
        for (wanted, wait) in shares.into_iter().zip([50, 60, 0]) {
            let share = bed.shares(2_000)[1];
            assert!((share - wanted).abs() < 0.05, "{balancer:?}: {share}, wanted {wanted}");
            tokio::time::advance(Duration::from_secs(wait)).await;
        }
    }
}

#[tokio::test]
async fn plans_stay_until_something_changes() {
    let servers = [Server::start(Kind::Http).await];
    let bed = Bed::new(&servers);
    let first = bed.plan();
    assert!(std::sync::Arc::ptr_eq(&first, &bed.plan()));
    bed.another_service();
    assert!(std::sync::Arc::ptr_eq(&first, &bed.plan()), "it is nobody's of this service");
    bed.places(&place("eu/a"), &[place("eu/a")]);
    let second = bed.plan();
    assert!(!std::sync::Arc::ptr_eq(&first, &second));
    assert_eq!(first.connection, second.connection, "connections begin as before");
    bed.policy(TrafficPolicy::default());
    let third = bed.plan();
    bed.policy(TrafficPolicy { proxy_protocol: Some(1), ..TrafficPolicy::default() });
    assert_ne!(third.connection, bed.plan().connection);
}

/// Knows some names.
fn names(known: &'static [(&'static str, &'static [[u8; 4]])]) -> Names {
    let look: Look = Arc::new(move |name| {
        let found = known.iter().find(|(known, _)| *known == &*name);
        let found = found.ok_or_else(|| "NXDOMAIN".into()).map(|(_, addresses)| {
            (addresses.iter().map(|address| (*address).into()).collect(), Duration::from_secs(60))
        });
        Box::pin(async move { found })
    });
    Names::new(&look)
}

#[tokio::test]
async fn a_host_is_resolved_when_it_is_first_asked_for() {
    let servers = [Server::start(Kind::Http).await];
    let bed = Bed::with_names(&servers, names(&[("out.test", &[[127, 0, 0, 1]])]));
    for (name, want) in [("out.test", StatusCode::OK), ("gone.test", StatusCode::SERVICE_UNAVAILABLE)] {
        let bed = bed.behind("api.test", Some(name));
        assert_eq!(bed.ask(&[]).await.status(), want, "{name}");
        assert_eq!(bed.open().await.is_ok(), want == StatusCode::OK, "{name}");
    }
    let Err(failure) = bed.behind("api.test", Some("gone.test")).open().await else { panic!("it was reached") };
    assert_eq!((failure.flags(), failure.to_string().as_str()), ("DF", "host gone.test cannot be resolved: NXDOMAIN"));
}

#[tokio::test]
async fn a_wildcard_leads_to_the_host_that_the_client_names() {
    let servers = [Server::start(Kind::Http).await];
    let known = names(&[
        ("a.wild.test", &[[192, 0, 2, 7]]),
        ("both.wild.test", &[[127, 0, 0, 1], [192, 0, 2, 8]]),
        ("here.wild.test", &[[127, 0, 0, 1]]),
        ("link.wild.test", &[[169, 254, 169, 254]]),
        ("waypoint.wild.test", &[[10, 1, 0, 1]]),
        ("pod.wild.test", &[[10, 1, 0, 7]]),
    ]);
    let bed = Bed::with_names(&servers, known).behind("*.wild.test", None);
    bed.enrolled([10, 1, 0, 7]);
    let port = servers[0].address.port();
    for (host, want) in [
        ("a.wild.test", Ok([192, 0, 2, 7])),
        ("A.Wild.test:80", Ok([192, 0, 2, 7])),
        ("both.wild.test", Ok([192, 0, 2, 8])),
        ("b.wild.test", Err("DF: host b.wild.test cannot be resolved: NXDOMAIN")),
        ("other.test", Err("NR: host \"other.test\" is none of *.wild.test")),
        ("here.wild.test", Err("NR: host here.wild.test leads to 127.0.0.1: that is the waypoint itself")),
        ("waypoint.wild.test", Err("NR: host waypoint.wild.test leads to 10.1.0.1: that is the waypoint itself")),
        ("link.wild.test", Err("NR: host link.wild.test leads to 169.254.169.254: that is on the waypoint's own link")),
        ("pod.wild.test", Err("NR: host pod.wild.test leads to 10.1.0.7: that is a workload of the mesh")),
    ] {
        let found = bed.choose(host).await.map(|endpoint| endpoint.address);
        let found = found.map_err(|failure| format!("{}: {failure}", failure.flags()));
        assert_eq!(found, want.map(|address| (address, port).into()).map_err(str::to_owned), "{host}");
    }
    for host in ["here.wild.test", "other.test"] {
        assert_eq!(bed.ask(&[("host", host)]).await.status(), StatusCode::SERVICE_UNAVAILABLE, "{host}");
    }
    assert_eq!(servers[0].requests(), 0);
}

#[tokio::test]
async fn a_client_that_names_hosts_without_end_keeps_no_other_from_a_new_one() {
    let servers = [Server::start(Kind::Http).await];
    // A name server that never answers, but for one name.
    let look: Look = Arc::new(|name| {
        Box::pin(async move {
            match &*name {
                "good.wild.test" => Ok((vec![[192, 0, 2, 7].into()], Duration::from_secs(60))),
                _ => std::future::pending().await,
            }
        })
    });
    let bed = Bed::with_names(&servers, Names::new(&look)).behind("*.wild.test", None);
    let (greedy, other) = (bed.account("greedy"), bed.account("other"));
    let asking = (0..300).map(|n| {
        let greedy = greedy.clone();
        tokio::spawn(async move { greedy.choose(&format!("slow-{n}.wild.test")).await.map(drop) })
    });
    let asking: Vec<_> = asking.collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let refused = 300 - 128;
    assert_eq!(bed.names_refused(), refused);
    let found = tokio::time::timeout(Duration::from_secs(1), other.choose("good.wild.test")).await;
    let address = found.expect("in time").map(|endpoint| endpoint.address.ip()).map_err(|failure| failure.to_string());
    assert_eq!(address, Ok([192, 0, 2, 7].into()));
    // Who is refused hears why, and that it may come again.
    let answer = greedy.ask(&[("host", "more.wild.test")]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("x-envoy-overloaded"));
    let Err(failure) = greedy.choose("more.wild.test").await else { panic!("it was looked for") };
    let why = "host more.wild.test is not looked for: spiffe://cluster.local/ns/ns/sa/greedy has too many new hosts looked for at once";
    assert_eq!((failure.flags(), failure.to_string().as_str()), ("UO", why));
    assert_eq!(bed.names_refused(), refused + 2);
    let told = asking.iter().filter(|asked| asked.is_finished()).count() as u64;
    assert_eq!(told, refused, "the others wait");
    asking.iter().for_each(tokio::task::JoinHandle::abort);
}
