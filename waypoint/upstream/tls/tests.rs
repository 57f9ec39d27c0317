use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::{HandshakeKind, ServerConfig, pki_types::PrivateKeyDer};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;

use super::*;

struct Server {
    roots: String,
    config: Arc<ServerConfig>,
}

fn server(names: &[&str], uris: &[&str], alpn: &[&str]) -> Server {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
    params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &root).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    Server { roots: root.pem(), config: Arc::new(config) }
}

async fn connect(
    cache: &Cache,
    server: &Server,
    tls: &ClientTls,
    inside: Inside,
) -> Result<Option<HandshakeKind>, Error> {
    connect_to(cache, server, tls, inside, None).await
}

async fn connect_to(
    cache: &Cache,
    server: &Server,
    tls: &ClientTls,
    inside: Inside,
    name: Option<&Name>,
) -> Result<Option<HandshakeKind>, Error> {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let acceptor = TlsAcceptor::from(server.config.clone());
    tokio::spawn(async move {
        if let Ok(mut stream) = acceptor.accept(theirs).await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"x").await;
            let _ = stream.read_u8().await;
        }
    });
    let state = State::default();
    let wish = Wish { tls, inside, name, address: [10, 0, 0, 9].into(), state: &state };
    let mut stream = cache.start(ours, wish).await?;
    // Tickets come after the handshake.
    let _ = stream.read_u8().await;
    Ok(stream.get_ref().1.handshake_kind())
}

fn tls(roots: Roots, server_name: Option<&str>, names: &[&str]) -> ClientTls {
    let subject_alt_names = names.iter().map(|n| (*n).into()).collect();
    ClientTls { server_name: server_name.map(Into::into), subject_alt_names, roots, credential: None }
}

#[tokio::test]
async fn only_who_was_meant_is_believed() {
    let server = server(&["db.example.com", "*.wild.example.com", "10.0.0.9"], &["spiffe://td/ns/a/sa/b"], &[]);
    let other = self::server(&["db.example.com"], &[], &[]);
    let pem = || Roots::Pem((*server.roots).into());
    let rows = [
        (tls(pem(), Some("db.example.com"), &[]), true),
        (tls(pem(), Some("other.example.com"), &[]), false),
        (tls(pem(), Some("a.wild.example.com"), &[]), true),
        (tls(pem(), Some("other.example.com"), &["x.example.com", "db.example.com"]), true),
        (tls(pem(), Some("db.example.com"), &["x.example.com"]), false),
        (tls(pem(), None, &["spiffe://td/ns/a/sa/b"]), true),
        (tls(pem(), None, &["spiffe://td/ns/a/sa"]), false),
        (tls(pem(), None, &["*.wild.example.com"]), true),
        (tls(pem(), None, &["10.0.0.9"]), true),
        (tls(pem(), None, &[]), false),
        (tls(Roots::Pem((*other.roots).into()), Some("db.example.com"), &[]), false),
        (tls(Roots::System, Some("db.example.com"), &[]), false),
        (tls(Roots::Unchecked, None, &[]), true),
        (tls(Roots::Pem("nothing".into()), Some("db.example.com"), &[]), false),
        (tls(Roots::Secret("s".into()), Some("db.example.com"), &[]), false),
        (tls(Roots::Invalid("because".into()), Some("db.example.com"), &[]), false),
        (ClientTls { credential: Some("c".into()), ..tls(pem(), Some("db.example.com"), &[]) }, false),
    ];
    for (tls, wanted) in rows {
        let outcome = connect(&Cache::default(), &server, &tls, Inside::Anything).await;
        assert_eq!(outcome.is_ok(), wanted, "{tls:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn sessions_are_resumed_under_the_same_settings_alone() {
    let server = server(&["db.example.com"], &[], &[]);
    let cache = Cache::default();
    let checked = tls(Roots::Pem((*server.roots).into()), Some("db.example.com"), &[]);
    let unchecked = tls(Roots::Unchecked, Some("db.example.com"), &[]);
    let rows = [
        (&unchecked, HandshakeKind::Full),
        (&unchecked, HandshakeKind::Resumed),
        (&checked, HandshakeKind::Full),
        (&checked, HandshakeKind::Resumed),
    ];
    for (tls, wanted) in rows {
        assert_eq!(connect(&cache, &server, tls, Inside::Anything).await.unwrap(), Some(wanted), "{tls:?}");
    }
}

#[tokio::test]
async fn all_hosts_of_a_wildcard_have_the_same_settings_and_sessions_of_their_own() {
    let server = server(&["*.example.com"], &[], &[]);
    let cache = Cache::default();
    let settings = tls(Roots::Pem((*server.roots).into()), None, &[]);
    // The server remembers 256 tickets, two of each connection.
    let hosts: Vec<Name> = (0..100).map(|n| format!("{n}.example.com").into()).collect();
    for wanted in [HandshakeKind::Full, HandshakeKind::Resumed] {
        for host in &hosts {
            let kind = connect_to(&cache, &server, &settings, Inside::Anything, Some(host)).await.unwrap();
            assert_eq!(kind, Some(wanted), "{host}");
        }
    }
    for other in ["a.b.example.com", "example.org"] {
        let outcome = connect_to(&cache, &server, &settings, Inside::Anything, Some(&other.into())).await;
        assert!(matches!(outcome, Err(Error::Handshake(_))), "{other} is believed: {outcome:?}");
    }
    assert_eq!(cache.0.lock().unwrap().len(), 1);
    // Without a name nothing says who is meant, although the same was made for names before.
    assert!(matches!(connect(&cache, &server, &settings, Inside::Anything).await, Err(Error::NoName)));
}

#[tokio::test]
async fn what_is_spoken_is_agreed_on() {
    let rows: [(&[&str], Inside, bool); 6] = [
        (&["h2", "http/1.1"], Inside::Http2, true),
        (&["h2", "http/1.1"], Inside::Http1, true),
        (&["h2"], Inside::Http1, false),
        (&["http/1.1"], Inside::Http2, false),
        // A server that knows nothing of it may speak either.
        (&[], Inside::Http2, true),
        (&["h2"], Inside::Anything, true),
    ];
    for (alpn, inside, wanted) in rows {
        let server = server(&["db.example.com"], &[], alpn);
        let tls = tls(Roots::Pem((*server.roots).into()), Some("db.example.com"), &[]);
        let outcome = connect(&Cache::default(), &server, &tls, inside).await;
        assert_eq!(outcome.is_ok(), wanted, "{alpn:?} {inside:?}: {outcome:?}");
    }
}

/// Has a server ask for certificates of an authority.
fn asks(mut server: Server, authority: &CertifiedIssuer<'static, KeyPair>) -> Server {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), PROVIDER.clone());
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let leaf = CertificateParams::new(vec!["db.example.com".to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    let config = ServerConfig::builder_with_provider(PROVIDER.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    server.roots = root.pem();
    server.config = Arc::new(config);
    server
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Makes the content of a Secret.
fn content(of: &CertifiedIssuer<'static, KeyPair>, roots: Option<&str>) -> Content {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["client.example.com".to_owned()]).unwrap().signed_by(&key, of).unwrap();
    let key = model::l7::secret::Hidden::new(key.serialize_pem());
    let pair = Some(model::l7::secret::Pair { chain: leaf.pem().into(), key });
    Content { pair, roots: roots.map(Into::into) }
}

#[tokio::test]
async fn a_secret_is_shown_as_it_is_now_and_without_it_nothing_is_sent() {
    let (known, unknown) = (authority(), authority());
    let server = asks(server(&["db.example.com"], &[], &[]), &known);
    let roots = Some(server.roots.as_str());
    let tls = ClientTls {
        credential: Some("client".into()),
        ..tls(Roots::Secret("client".into()), Some("db.example.com"), &[])
    };
    let cache = Cache::default();
    let mut state = State::default();
    let set = |state: &mut State, content: Result<Content, Name>| {
        let (namespace, name) = ("shop".into(), "client".into());
        state.insert(model::l7::Resource::Secret(Secret { namespace, name, content }));
    };
    let rows: [(Option<Result<Content, Name>>, &str); 6] = [
        (None, "Secret client is not known to the waypoint"),
        (Some(Err("there is no Secret client".into())), "there is no Secret client"),
        (Some(Ok(Content { pair: None, ..content(&known, roots) })), "Secret client has no certificate and key"),
        (Some(Ok(content(&known, None))), "Secret client has no authorities"),
        (Some(Ok(content(&unknown, roots))), "refused"),
        (Some(Ok(content(&known, roots))), ""),
    ];
    for (secret, want) in rows {
        if let Some(secret) = secret {
            set(&mut state, secret);
        }
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let acceptor = TlsAcceptor::from(server.config.clone());
        let accepted = tokio::spawn(async move { acceptor.accept(theirs).await.is_ok() });
        let wish =
            Wish { tls: &tls, inside: Inside::Anything, name: None, address: [10, 0, 0, 9].into(), state: &state };
        let told = match cache.start(ours, wish).await {
            Err(error) => error.to_string(),
            Ok(_stream) if accepted.await.unwrap() => String::new(),
            Ok(_) => "refused".to_owned(),
        };
        assert!(if want.is_empty() { told.is_empty() } else { told.contains(want) }, "{told:?}, wanted {want:?}");
    }
}

#[tokio::test]
async fn a_server_that_the_client_names_has_to_be_that_one() {
    let server = server(&["a.wild.test"], &[], &[]);
    let tls = tls(Roots::Pem(server.roots.as_str().into()), None, &[]);
    let cache = Cache::default();
    for (name, want) in [(Some("a.wild.test"), true), (Some("b.wild.test"), false), (None, false)] {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let acceptor = TlsAcceptor::from(server.config.clone());
        tokio::spawn(async move { drop(acceptor.accept(theirs).await) });
        let (state, name) = (State::default(), name.map(Name::from));
        let address = [10, 0, 0, 9].into();
        let wish = Wish { tls: &tls, inside: Inside::Anything, name: name.as_ref(), address, state: &state };
        assert_eq!(cache.start(ours, wish).await.is_ok(), want, "{name:?}");
    }
}
