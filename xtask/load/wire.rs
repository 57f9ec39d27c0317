//! How a server is reached: a stream in a tunnel of the mesh, or a connection in the clear.

use std::{net::SocketAddr, path::Path, sync::Arc};

use hbone::tunnel::Tunnel;
use http::HeaderMap;
use identity::certificate::Certified;
use model::Identity;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A connection of either kind.
pub type Connection = Box<dyn Duplex>;

/// Where a server is.
#[derive(clap::Args, Clone)]
pub struct Target {
    /// Address and port of the proxy or server
    #[arg(long)]
    to: SocketAddr,
    /// What the tunnel leads to, address and port; without it there is no tunnel
    #[arg(long, requires_all = ["own", "identity", "peer"])]
    through: Option<SocketAddr>,
    /// Folder with the client's key and chain
    #[arg(long)]
    own: Option<std::path::PathBuf>,
    /// Who the client is
    #[arg(long)]
    identity: Option<Identity>,
    /// Who the other end of the tunnel must be
    #[arg(long)]
    peer: Option<Identity>,
}

/// A way to a server. Copies share the tunnel.
#[derive(Clone)]
pub struct Way {
    to: SocketAddr,
    tunnels: Option<Arc<Tunnels>>,
}

struct Tunnels {
    own: Arc<Certified>,
    peer: Identity,
    authority: String,
    open: Vec<Tunnel>,
    next: std::sync::atomic::AtomicUsize,
}

/// Reads the certificate that an authority signed for the benchmark.
pub fn certified(folder: &Path, identity: &Identity) -> Result<Arc<Certified>, String> {
    let read = |name: &str| {
        let file = folder.join(name);
        std::fs::read_to_string(&file).map_err(|e| format!("{} cannot be read: {e}", file.display()))
    };
    let key = PrivateKeyDer::from_pem_slice(read("key.pem")?.as_bytes()).map_err(|e| format!("no key: {e}"))?;
    let chain = [read("chain.pem")?, read("root.pem")?];
    Certified::new(identity, key.secret_der(), &chain).map(Arc::new).map_err(|e| runtime::error::chain(&e))
}

impl Target {
    /// Makes the tunnels, if it takes any.
    pub async fn way(&self, tunnels: usize) -> Result<Way, String> {
        let (Some(authority), Some(folder), Some(identity), Some(peer)) =
            (self.through, &self.own, &self.identity, &self.peer)
        else {
            return Ok(Way { to: self.to, tunnels: None });
        };
        let own = certified(folder, identity)?;
        let mut open = Vec::new();
        for _ in 0..tunnels {
            open.push(tunnel(self.to, &own, peer).await?);
        }
        let (peer, authority, next) = (peer.clone(), authority.to_string(), 0.into());
        Ok(Way { to: self.to, tunnels: Some(Arc::new(Tunnels { own, peer, authority, open, next })) })
    }

    /// Returns what requests name as their host.
    pub fn host(&self) -> String {
        self.through.unwrap_or(self.to).to_string()
    }
}

async fn tunnel(to: SocketAddr, own: &Certified, peer: &Identity) -> Result<Tunnel, String> {
    let socket = tcp(to).await?;
    Tunnel::start(socket, to, own, std::slice::from_ref(peer)).await.map_err(|e| e.to_string())
}

async fn tcp(to: SocketAddr) -> Result<TcpStream, String> {
    let socket = TcpStream::connect(to).await.map_err(|e| format!("no connection to {to}: {e}"))?;
    socket.set_nodelay(true).map_err(|e| e.to_string())?;
    Ok(socket)
}

impl Way {
    /// Makes a connection: a stream in one of the tunnels, or one of TCP.
    pub async fn connection(&self) -> Result<Connection, String> {
        let Some(tunnels) = &self.tunnels else { return Ok(Box::new(tcp(self.to).await?)) };
        let next = tunnels.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let tunnel = &tunnels.open[next % tunnels.open.len()];
        let (stream, _) = tunnel.open(&tunnels.authority, HeaderMap::new()).await.map_err(|e| e.to_string())?;
        Ok(Box::new(stream))
    }

    /// Makes a connection in a tunnel of its own.
    pub async fn fresh(&self) -> Result<(Option<Tunnel>, Connection), String> {
        let Some(tunnels) = &self.tunnels else { return Ok((None, Box::new(tcp(self.to).await?))) };
        let tunnel = tunnel(self.to, &tunnels.own, &tunnels.peer).await?;
        let (stream, _) = tunnel.open(&tunnels.authority, HeaderMap::new()).await.map_err(|e| e.to_string())?;
        Ok((Some(tunnel), Box::new(stream)))
    }
}
