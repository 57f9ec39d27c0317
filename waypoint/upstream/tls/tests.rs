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
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let acceptor = TlsAcceptor::from(server.config.clone());
    tokio::spawn(async move {
        if let Ok(mut stream) = acceptor.accept(theirs).await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"x").await;
            let _ = stream.read_u8().await;
        }
    });
    let mut stream = cache.start(ours, tls, inside, [10, 0, 0, 9].into()).await?;
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
