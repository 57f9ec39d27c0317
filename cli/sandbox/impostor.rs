//! A peer that speaks the mesh's protocol with a certificate of its own making, to show that nobody believes it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use identity::{ca::Authority, tls};
use model::Identity;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::error::Error;

/// The port of HBONE.
const HBONE: u16 = 15008;
/// How long the peer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Tries to be `identity` towards a pod, without its mesh's authority. Exit code 0 when it is refused, 1 when it is let in;
/// an error is neither.
///
/// The root of the mesh is public, so an impostor can have it: it believes the pod, and only the pod's own check is in its way.
pub async fn run(address: IpAddr, identity: &str, root: &str) -> Result<u8, Error> {
    let connector = connector(identity, root)?;
    let stream = timeout(LIMIT, TcpStream::connect((address, HBONE))).await;
    let stream = stream
        .map_err(|_| Error::user("no answer from the pod"))?
        .map_err(|e| Error::user(format!("no connection to {address}:{HBONE}")).caused_by(&e))?;
    let handshake = timeout(LIMIT, connector.connect(ServerName::IpAddress(address.into()), stream)).await;
    let mut stream = match handshake.map_err(|_| Error::user("the handshake does not end"))? {
        Ok(stream) => stream,
        Err(error) => return refused(&error),
    };
    // The client's certificate is judged after its own part of the handshake is over (RFC 8446 4.4.2), so that the verdict is
    // what comes first. A server that is content speaks, or waits for a request.
    let mut byte = [0; 1];
    match timeout(LIMIT, stream.read(&mut byte)).await {
        Ok(Err(error)) => refused(&error),
        Ok(Ok(0)) => Err(Error::user("the pod ended the connection without a reason")),
        Ok(Ok(_)) | Err(_) => {
            println!("let in as {identity}");
            Ok(1)
        }
    }
}

fn refused(error: &std::io::Error) -> Result<u8, Error> {
    let alert = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    match alert {
        Some(rustls::Error::AlertReceived(alert)) => {
            println!("refused: {alert:?}");
            Ok(0)
        }
        // Whatever else went wrong says nothing about the pod's judgement.
        _ => Err(Error::user("the connection broke without a verdict").caused_by(error)),
    }
}

fn connector(identity: &str, root: &str) -> Result<TlsConnector, Error> {
    let identity: Identity = identity.parse().map_err(|e| Error::usage("--as is no identity").caused_by(&e))?;
    let root = CertificateDer::from_pem_slice(root.as_bytes())
        .map_err(|e| Error::usage("--root is no certificate").caused_by(&e))?;
    let failed =
        |error: &(dyn std::error::Error + 'static)| Error::internal("no certificate can be made").caused_by(error);
    let (own, _) = Authority::self_signed(identity.trust_domain()).map_err(|e| failed(&e))?;
    let key = KeyPair::generate().map_err(|e| failed(&e))?;
    let request = CertificateParams::default().serialize_request(&key).and_then(|r| r.pem()).map_err(|e| failed(&e))?;
    let chain = own.sign(&request, &identity, Duration::from_secs(3600)).map_err(|e| failed(&e))?;
    let chain: Vec<CertificateDer<'static>> =
        chain.iter().filter_map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok()).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = tls::client(chain, key, &[root]).map_err(|e| failed(&e))?;
    Ok(TlsConnector::from(Arc::new(config)))
}
