use std::sync::{Mutex, atomic::AtomicUsize};

use super::*;

/// A name server whose answers are set, and which counts questions.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Option<Answer>>>, Arc<AtomicUsize>);

impl Scripted {
    fn says(&self, answer: Option<Answer>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    fn questions(&self) -> usize {
        self.1.load(Ordering::Relaxed)
    }

    fn look(&self) -> Look {
        let this = self.clone();
        Arc::new(move |_| {
            this.1.fetch_add(1, Ordering::Relaxed);
            let answer = this.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Box::pin(async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            })
        })
    }

    fn resolver(&self, bounds: Bounds) -> Resolver {
        Resolver::new(self.look(), bounds)
    }
}

fn addresses(last: &[u8], life: u64) -> Option<Answer> {
    Some(Ok((last.iter().map(|n| [192, 0, 2, *n].into()).collect(), Duration::from_secs(life))))
}

/// Returns what is known of a name, without using it.
fn told(resolver: &Resolver) -> Option<String> {
    let place = resolver.read().get("a.test").cloned()?;
    Some(match &*place.found.load_full()? {
        Ok(addresses) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Err(reason) => format!("error: {reason}"),
    })
}

#[tokio::test(start_paused = true)]
async fn a_name_is_renewed_when_its_answer_ends_and_the_last_good_one_stays() {
    let server = Scripted::default();
    let resolver = server.resolver(CONFIGURED);
    let names: [Name; 1] = ["a.test".into()];
    server.says(addresses(&[2, 1, 2], 20));
    resolver.resolve(&names).await;
    assert_eq!(told(&resolver).as_deref(), Some("192.0.2.1 192.0.2.2"));
    let first = resolver.find("a.test").expect("an answer");
    resolver.resolve(&names).await;
    assert_eq!(server.questions(), 1, "it is known");
    sleep(Duration::from_secs(21)).await;
    assert!(first.is_current(), "the same answer changes nothing");
    assert_eq!(server.questions(), 2);
    resolver.keep([&first]);
    server.says(addresses(&[3], 20));
    sleep(Duration::from_secs(20)).await;
    assert!(!first.is_current());
    assert_eq!(told(&resolver).as_deref(), Some("192.0.2.3"));
    for bad in [None, Some(Err("NXDOMAIN".into())), addresses(&[], 20)] {
        server.says(bad);
        resolver.keep([&first]);
        sleep(Duration::from_secs(26)).await;
        assert_eq!(told(&resolver).as_deref(), Some("192.0.2.3"));
    }
    server.says(addresses(&[4], 20));
    resolver.keep([&first]);
    sleep(Duration::from_secs(36)).await;
    assert_eq!(told(&resolver).as_deref(), Some("192.0.2.4"));
    let last = resolver.find("a.test").expect("an answer");
    sleep(CONFIGURED.idle + Duration::from_secs(41)).await;
    assert_eq!(told(&resolver), None, "nobody asks for it any more");
    assert!(!last.is_current(), "who holds it learns of that");
}

#[tokio::test(start_paused = true)]
async fn a_name_without_addresses_says_why_and_is_asked_for_again() {
    let server = Scripted::default();
    let resolver = server.resolver(CONFIGURED);
    let names: [Name; 1] = ["a.test".into()];
    let begun = Instant::now();
    resolver.resolve(&names).await;
    assert_eq!(told(&resolver).as_deref(), Some("error: no answer within 5s"));
    assert!(begun.elapsed() <= PATIENCE + LIFE.0);
    server.says(addresses(&[1], 3600));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(told(&resolver).as_deref(), Some("192.0.2.1"));
    let _ = resolver.find("a.test");
    server.says(addresses(&[2], 3600));
    sleep(LIFE.1 / 2).await;
    let _ = resolver.find("a.test");
    sleep(LIFE.1 / 2 + Duration::from_secs(1)).await;
    assert_eq!(told(&resolver).as_deref(), Some("192.0.2.2"), "an hour is too long");
}

#[tokio::test(start_paused = true)]
async fn what_dns_says_of_nothing_counts_for_as_long_as_it_says_within_bounds() {
    // Of five questions that fail, how long the first and the last wait for the next one.
    for (life, first, fifth) in [(None, 1, 16), (Some(0), 1, 1), (Some(7), 7, 7), (Some(86_400), 30, 30)] {
        let server = Scripted::default();
        let life = life.map(Duration::from_secs);
        server.says(Some(Err(Nothing { reason: "NXDOMAIN".to_owned(), life })));
        let resolver = server.resolver(CONFIGURED);
        let names: [Name; 1] = ["a.test".into()];
        resolver.resolve(&names).await;
        for (questions, wanted) in [(1, first), (5, fifth)] {
            let mut begun = Instant::now();
            while server.questions() <= questions {
                let before = server.questions();
                let _ = resolver.find("a.test");
                sleep(Duration::from_millis(10)).await;
                if server.questions() == questions && before < questions {
                    begun = Instant::now();
                }
            }
            let waited = begun.elapsed().as_secs_f64();
            assert!((waited - f64::from(wanted)).abs() < 0.1, "{life:?}: {waited} after {questions}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_client_chose_is_renewed_for_its_use_alone() {
    // An answer's life, how often it is used, and how many questions there are in 100 s.
    for (life, every, wanted) in [(20, None, 1), (0, None, 1), (20, Some(5), 5), (20, Some(30), 4), (0, Some(50), 2)] {
        let server = Scripted::default();
        server.says(addresses(&[1], life));
        let resolver = server.resolver(REQUESTED);
        let names: [Name; 1] = ["a.test".into()];
        resolver.resolve(&names).await;
        for second in 1..100 {
            sleep(Duration::from_secs(1)).await;
            if every.is_some_and(|every| second % every == 0) && resolver.find("a.test").is_none() {
                resolver.resolve(&names).await;
            }
        }
        assert_eq!(server.questions(), wanted, "{life} {every:?}");
        assert!(resolver.read().len() <= 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_names_make_place() {
    let server = Scripted::default();
    server.says(addresses(&[1], 300));
    let resolver = server.resolver(Bounds { most: 16, ..REQUESTED });
    let name = |n: usize| Name::from(format!("{n}.test"));
    for n in 0..40 {
        resolver.resolve(&[name(n)]).await;
        assert!(resolver.find("0.test").is_some(), "it is used all the time: {n}");
        assert!(resolver.read().len() <= 16);
        sleep(Duration::from_millis(2)).await;
    }
    for (n, wanted) in [(1, false), (20, false), (30, true), (39, true)] {
        assert_eq!(resolver.find(&name(n)).is_some(), wanted, "{n}");
    }
    let place = |n| resolver.read().get(&name(n)).cloned().expect("a place");
    let (kept, held) = (place(39), resolver.find("30.test").expect("an answer"));
    for n in 100..140 {
        resolver.resolve(&[name(n)]).await;
        sleep(Duration::from_millis(2)).await;
    }
    assert!(!held.is_current(), "who holds it learns of that");
    assert!(kept.task.get().is_some_and(AbortHandle::is_finished), "nobody asks for it any more");
}

#[tokio::test(start_paused = true)]
async fn names_of_clients_take_no_place_from_names_of_the_configuration() {
    let server = Scripted::default();
    server.says(addresses(&[1], 300));
    let names = Names::new(&server.look());
    let one: [Name; 1] = ["a.test".into()];
    names.configured.resolve(&one).await;
    let known = names.configured.find("a.test").expect("an answer");
    let many: Vec<Name> = (0..2 * REQUESTED.most).map(|n| format!("{n}.test").into()).collect();
    names.requested.resolve(&many).await;
    assert!(names.requested.read().len() <= REQUESTED.most);
    assert!(known.is_current());
    // Nor does it matter that DNS is slow with them.
    server.says(None);
    let slow: Vec<Name> = (0..2 * AT_ONCE).map(|n| format!("slow-{n}.test").into()).collect();
    let requested = names.requested.clone();
    let asking = tokio::spawn(async move { requested.resolve(&slow).await });
    sleep(Duration::from_millis(1)).await;
    server.says(addresses(&[2], 300));
    let begun = Instant::now();
    names.configured.resolve(&["b.test".into()]).await;
    assert!(names.configured.find("b.test").is_some() && begun.elapsed() < Duration::from_secs(1));
    asking.abort();
}

fn client(name: &str) -> Identity {
    format!("spiffe://cluster.local/ns/shop/sa/{name}").parse().expect("valid")
}

#[tokio::test(start_paused = true)]
async fn a_client_at_its_bound_keeps_no_other_client_from_a_new_name() {
    let server = Scripted::default();
    let names = Names::new(&server.look()).requested;
    let (greedy, other) = (client("greedy"), client("other"));
    // It asks for as many names of a slow server as it can, and goes on doing so.
    let asking = (0..2 * AT_ONCE).map(|n| {
        let (names, greedy) = (names.clone(), greedy.clone());
        tokio::spawn(async move { names.resolve_for(&greedy, &format!("slow-{n}.test").into()).await })
    });
    let asking: Vec<_> = asking.collect();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(server.questions(), AT_ONCE / 2);
    assert_eq!(asking.iter().filter(|asked| asked.is_finished()).count(), AT_ONCE * 3 / 2, "they hear so at once");
    let again: Name = "slow-0.test".into();
    let waits = timeout(Duration::from_millis(1), names.resolve_for(&greedy, &again)).await;
    assert!(waits.is_err(), "what is asked for already costs nothing");
    server.says(addresses(&[1], 300));
    let begun = Instant::now();
    assert_eq!(names.resolve_for(&other, &"good.test".into()).await, Ok(()));
    assert!(names.find("good.test").is_some() && begun.elapsed() < Duration::from_millis(100));
    // What is known is for all.
    assert_eq!(names.resolve_for(&greedy, &"good.test".into()).await, Ok(()));
    let mut refused = 0;
    for asked in asking {
        refused += usize::from(asked.await.expect("no panic") == Err(TooMany));
    }
    assert_eq!(refused, AT_ONCE * 3 / 2);
    assert_eq!(names.resolve_for(&greedy, &"later.test".into()).await, Ok(()), "its questions were given up");
}

#[tokio::test(start_paused = true)]
async fn names_that_are_never_found_take_turns_of_who_asked_for_them() {
    let server = Scripted::default();
    let names = Names::new(&server.look()).requested;
    let (greedy, other) = (client("greedy"), client("other"));
    // For minutes all names that it has are used, and more are asked for: none is ever answered.
    let name = |n: usize| Name::from(format!("slow-{n}.test"));
    for n in 0..600 {
        for n in 0..n {
            let _ = names.find(&name(n));
        }
        let (asked, greedy) = (names.clone(), greedy.clone());
        tokio::spawn(async move { asked.resolve_for(&greedy, &name(n)).await });
        sleep(Duration::from_millis(200)).await;
        assert!(names.0.turns.take(&other).is_some() && names.0.asking.available_permits() == AT_ONCE, "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_addresses_of_a_name_are_cut() {
    let all: Vec<IpAddr> = (0..2000_u32).map(|n| std::net::Ipv4Addr::from(0xc633_0000 | n).into()).collect();
    let server = Scripted::default();
    let resolver = server.resolver(CONFIGURED);
    for rotated in [0, 700] {
        let mut all = all.clone();
        all.rotate_left(rotated);
        server.says(Some(Ok((all, Duration::from_secs(1)))));
        resolver.resolve(&["a.test".into()]).await;
        sleep(Duration::from_secs(2)).await;
        let known = resolver.find("a.test").expect("an answer");
        assert_eq!(
            known.found().as_ref().map(|found| (found.len(), found[0], found[255])),
            Ok((256, all_at(0), all_at(255)))
        );
    }
}

fn all_at(n: u32) -> IpAddr {
    std::net::Ipv4Addr::from(0xc633_0000 | n).into()
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_asked_for_as_it_is_forgotten_is_not_lost() {
    let server = Scripted::default();
    server.says(addresses(&[1], 300));
    let resolver = server.resolver(REQUESTED);
    let names: [Name; 1] = ["a.test".into()];
    resolver.resolve(&names).await;
    let old = resolver.read().get("a.test").cloned().expect("a place");
    // It is used after its time was over, before it is taken away.
    sleep(Duration::from_secs(60)).await;
    let _ = resolver.find("a.test");
    assert!(!resolver.end(&names[0], &old, Duration::from_secs(2)));
    assert!(resolver.find("a.test").is_some());
    // It is asked for anew after that; what is left of the old one neither takes it away nor writes into it.
    sleep(Duration::from_secs(60)).await;
    assert!(resolver.end(&names[0], &old, Duration::from_secs(2)));
    server.says(addresses(&[2], 300));
    resolver.resolve(&names).await;
    resolver.put(&names[0], &old, Ok(vec![]));
    assert!(old.found.load().is_none());
    sleep(Duration::from_secs(60)).await;
    resolver.end(&names[0], &old, Duration::from_secs(2));
    assert_eq!(told(&resolver).as_deref(), Some("192.0.2.2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_while_names_are_forgotten_on_other_threads_gets_an_answer() {
    let server = Scripted::default();
    server.says(addresses(&[1], 1));
    let resolver = server.resolver(Bounds { most: 16, ..REQUESTED });
    let ask = |n: usize| {
        let resolver = resolver.clone();
        async move {
            for round in 0..300 {
                let names: [Name; 1] = [format!("{}.test", (n + round) % 24).into()];
                let begun = std::time::Instant::now();
                resolver.resolve(&names).await;
                assert!(begun.elapsed() < PATIENCE, "it waited for an answer that somebody took away");
                let _ = resolver.find(&names[0]);
                tokio::task::yield_now().await;
            }
        }
    };
    for asked in (0..8).map(|n| tokio::spawn(ask(n * 3))).collect::<Vec<_>>() {
        asked.await.expect("an answer");
    }
    assert!(resolver.read().len() <= 16);
}
