//! Asking the authority for certificates.

use std::{collections::BTreeMap, future::Future, pin::Pin, time::Duration};

use model::Identity;
use prost_types::{Struct, Value, value::Kind};
use tonic::{Request, metadata::AsciiMetadataValue, transport::Channel};

use crate::{
    channel::{self, ControlPlane},
    proto::{IstioCertificateRequest, istio_certificate_service_client::IstioCertificateServiceClient},
};

/// How long the authority may take for one answer.
const SIGN_TIMEOUT: Duration = Duration::from_secs(10);

/// Tells why the authority gave no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control plane cannot be reached, or its files cannot be read.
    #[error("the certificate authority cannot be reached")]
    Channel(#[from] channel::Error),
    /// It refused, or failed.
    #[error("the certificate authority answered {code:?}: {message}")]
    Status {
        /// The gRPC code.
        code: tonic::Code,
        /// Its words.
        message: String,
    },
    /// The token cannot be sent.
    #[error("the token holds characters that no header can carry")]
    Token,
}

/// A signed chain in the making.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<Vec<String>, Error>> + Send + 'a>>;

/// Who signs certificates: the control plane, or, where there is none, an authority in this process.
pub trait Authority: Send + Sync {
    /// Signs a request (PEM) for an identity; the answer is PEM, leaf first, roots last.
    fn sign<'a>(&'a self, identity: &'a Identity, csr: String, lifetime: Duration) -> Signing<'a>;
}

/// For whom the authority of the control plane is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// For the identities of this node's pods, which the caller's own must be trusted to do.
    ForPods,
    /// For the caller's own identity, as its token says.
    ForItself,
}

/// The authority of the control plane.
#[derive(Clone, Debug)]
pub struct RemoteAuthority {
    control_plane: ControlPlane,
    channel: Channel,
    asking: Asking,
}

impl RemoteAuthority {
    /// Makes a client; it connects when first asked.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(control_plane: ControlPlane, asking: Asking) -> Result<Self, channel::Error> {
        let channel = control_plane.channel()?;
        Ok(Self { control_plane, channel, asking })
    }

    async fn ask(&self, identity: &Identity, csr: String, lifetime: Duration) -> Result<Vec<String>, Error> {
        let impersonated = || Value { kind: Some(Kind::StringValue(identity.to_string())) };
        let fields = match self.asking {
            Asking::ForPods => BTreeMap::from([("ImpersonatedIdentity".to_owned(), impersonated())]),
            Asking::ForItself => BTreeMap::new(),
        };
        let mut request = Request::new(IstioCertificateRequest {
            csr,
            validity_duration: i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX),
            metadata: Some(Struct { fields }),
        });
        let mut header = |name: &'static str, value: &str| {
            let value = AsciiMetadataValue::try_from(value).map_err(|_| Error::Token)?;
            request.metadata_mut().insert(name, value);
            Ok::<_, Error>(())
        };
        header("authorization", &self.control_plane.bearer().await?)?;
        header("clusterid", &self.control_plane.cluster)?;
        request.set_timeout(SIGN_TIMEOUT);
        let mut client = IstioCertificateServiceClient::new(self.channel.clone());
        let answer = client.create_certificate(request);
        let status = |code, message: String| Error::Status { code, message };
        match tokio::time::timeout(SIGN_TIMEOUT, answer).await {
            Ok(Ok(answer)) => Ok(answer.into_inner().cert_chain),
            Ok(Err(refusal)) => {
                // The cause of a lost connection is only in the sources.
                let message = runtime::error::with_causes(refusal.message().to_owned(), &refusal);
                Err(status(refusal.code(), message))
            }
            Err(_) => Err(status(tonic::Code::DeadlineExceeded, format!("no answer within {SIGN_TIMEOUT:?}"))),
        }
    }
}

impl Authority for RemoteAuthority {
    fn sign<'a>(&'a self, identity: &'a Identity, csr: String, lifetime: Duration) -> Signing<'a> {
        Box::pin(self.ask(identity, csr, lifetime))
    }
}
