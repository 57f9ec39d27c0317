//! What clients are told where several limits are about one request.

use std::time::Duration;

use model::l7::{
    Resource,
    rate_limit::{LocalLimit, RateLimit, Told},
};
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

use super::{
    bench::Bench,
    rate_limit::{Always, OK, get, global, limit, says},
};
use crate::rate_limit_proto::{
    rate_limit_response::{self, Code, DescriptorStatus, rate_limit::Unit},
    rate_limit_service_server::RateLimitServiceServer,
};

/// One at once, and so many in an hour.
fn hourly(requests: u32) -> LocalLimit {
    LocalLimit { matches: vec![], key: vec![], requests, per: Duration::from_secs(3600), burst: 1 }
}

#[tokio::test]
async fn who_waits_for_several_limits_is_told_of_the_longest() {
    // What limits say, by object, of which the second answer is refused; what that one says of how long to wait and of all windows.
    type Row = (Vec<(Told, Vec<u32>)>, Option<(u64, &'static str)>);
    let rows: [Row; 6] = [
        (vec![(Told::OnLimit, vec![60, 1])], Some((3600, "1, 60;w=3600, 1;w=3600"))),
        (vec![(Told::OnLimit, vec![1, 60])], Some((3600, "1, 1;w=3600, 60;w=3600"))),
        (vec![(Told::OnLimit, vec![60, 60])], Some((60, "60, 60;w=3600"))),
        (vec![(Told::Always, vec![60]), (Told::OnLimit, vec![2])], Some((1800, "2, 60;w=3600, 2;w=3600"))),
        (vec![(Told::OnLimit, vec![60]), (Told::Never, vec![1])], Some((60, "60, 60;w=3600"))),
        (vec![(Told::Never, vec![1, 60])], None),
    ];
    for (limits, wanted) in rows {
        let bench = Bench::new();
        for (at, (headers, local)) in limits.iter().enumerate() {
            let local = local.iter().map(|requests| hourly(*requests)).collect();
            let name = format!("l{at}").into();
            bench.told(Resource::RateLimit(RateLimit { name, headers: *headers, ..limit(local, None) }));
        }
        let _heard = bench.peer("web", [127, 0, 3, 66], OK).await;
        assert!(bench.say(get("/", "")).await.starts_with("HTTP/1.1 200 "));
        let answer = bench.say(get("/", "")).await;
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
        assert_eq!(answer.matches("ratelimit-").count(), if wanted.is_some() { 3 } else { 0 }, "{answer}");
        let Some((seconds, windows)) = wanted else { continue };
        // Objects come in no order.
        let sorted = |windows: &str| {
            let (first, rest) = windows.split_once(", ").map(|(f, r)| (f.to_owned(), r.to_owned())).expect("several");
            let mut rest: Vec<String> = rest.split(", ").map(str::to_owned).collect();
            rest.sort();
            (first, rest)
        };
        let value = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        assert_eq!(value("retry-after: "), seconds.to_string(), "{answer}");
        assert_eq!(value("ratelimit-reset: "), seconds.to_string(), "{answer}");
        assert_eq!(sorted(&value("ratelimit-limit: ")), sorted(windows), "{answer}");
    }
}

#[tokio::test]
async fn what_a_server_says_is_told_beside_what_is_kept_here() {
    let over = |requests, unit: Unit, seconds| DescriptorStatus {
        code: Code::OverLimit.into(),
        current_limit: Some(rate_limit_response::RateLimit {
            requests_per_unit: requests,
            unit: unit.into(),
            name: String::new(),
        }),
        limit_remaining: 0,
        duration_until_reset: Some(prost_types::Duration { seconds, nanos: 0 }),
    };
    // What the server says, and what is told.
    let (mut passes, mut refuses) = (says(Code::Ok), says(Code::OverLimit));
    passes.statuses[1].limit_remaining = 3;
    refuses.statuses = vec![over(9, Unit::Second, 1), over(8, Unit::Hour, 900), over(7, Unit::Minute, 30)];
    for (said, wanted) in [
        (passes, "ratelimit-limit: 10, 10;w=3600, 5;w=60\r\nratelimit-remaining: 0\r\nratelimit-reset: 360\r\n"),
        (
            refuses,
            "ratelimit-limit: 8, 10;w=3600, 9;w=1, 8;w=3600, 7;w=60\r\nratelimit-remaining: 0\r\n\
             ratelimit-reset: 900\r\nretry-after: 900\r\n",
        ),
    ] {
        let bench = Bench::new();
        bench.service("limiter");
        let limit = limit(vec![hourly(10)], Some(global(false)));
        bench.told(Resource::RateLimit(RateLimit { headers: Told::Always, ..limit }));
        let _heard = bench.peer("web", [127, 0, 3, 67], OK).await;
        let listener = TcpListener::bind("127.0.3.68:0").await.expect("a port");
        bench.endpoint("limiter", listener.local_addr().expect("bound"));
        let server = RateLimitServiceServer::new(Always(Some(said), std::sync::Arc::default()));
        tokio::spawn(Server::builder().add_service(server).serve_with_incoming(TcpIncoming::from(listener)));
        let answer = bench.say(get("/", "")).await;
        assert!(answer.contains(wanted), "{answer}");
        assert_eq!(answer.matches("ratelimit-limit").count(), 1, "{answer}");
    }
}
