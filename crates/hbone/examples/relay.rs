//! Two relays with a tunnel between them, each in a network namespace of its own: the data path alone, for measuring without a
//! cluster. `relay CLIENT-NS SERVER-NS SERVER-IP PORT`: what connects to 127.0.0.1:PORT+1 in the first namespace comes out as
//! a connection to 127.0.0.1:PORT in the second.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hbone::{
    copy,
    pool::{Key, Pool},
    server,
    tunnel::Tunnel,
};
use http::HeaderMap;
use identity::{ca::Authority, certificate::Certified};
use model::Identity;
use net::netns::Netns;
use runtime::Drain;
use tokio::net::{TcpListener, TcpStream};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn certified(ca: &Authority, identity: &Identity) -> Result<Arc<Certified>, Failure> {
    let key = rcgen::KeyPair::generate()?;
    let request = rcgen::CertificateParams::new(Vec::new())?.serialize_request(&key)?.pem()?;
    let chain = ca.sign(&request, identity, Duration::from_secs(3600))?;
    Ok(Arc::new(Certified::new(identity, &key.serialize_der(), &chain)?))
}

async fn near(own: Arc<Certified>, peer: SocketAddr, wanted: Identity, listen: SocketAddr) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await?;
    let pool = Pool::default();
    let key = Key { source: wanted.clone(), peer, identities: vec![wanted] };
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (own, key, pool) = (own.clone(), key.clone(), pool.clone());
        tokio::spawn(async move {
            let connect = || {
                let (own, wanted) = (own.clone(), key.identities.clone());
                async move {
                    let socket = TcpStream::connect(peer).await.map_err(|e| hbone::tunnel::Error::Connect {
                        peer,
                        reason: e.to_string(),
                        timed_out: false,
                    })?;
                    let _ = socket.set_nodelay(true);
                    Tunnel::start(socket, peer, &own, &wanted).await
                }
            };
            let tunnel = pool.tunnel(&key, connect).await;
            let opened = match tunnel {
                Ok(tunnel) => tunnel.open("127.0.0.1:80", HeaderMap::new()).await,
                Err(error) => Err(error),
            };
            match opened {
                Ok((stream, _)) => {
                    let _ = copy::tunnel(socket, stream, &Arc::default(), copy::Side::Client).await;
                }
                Err(error) => eprintln!("near: {error}"),
            }
        });
    }
}

async fn far(own: Arc<Certified>, listen: SocketAddr, target: SocketAddr) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (socket, peer) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let own = own.clone();
        tokio::spawn(async move {
            let Ok((tls, _)) = server::handshake(socket, &own).await.inspect_err(|e| eprintln!("far: {e}")) else {
                return;
            };
            let served = server::serve(tls, peer, Drain::new(), move |connect| async move {
                let Ok(socket) = TcpStream::connect(target).await else {
                    return connect.refuse(http::StatusCode::SERVICE_UNAVAILABLE);
                };
                let _ = socket.set_nodelay(true);
                if let Ok(stream) = connect.accept(HeaderMap::new()) {
                    let _ = copy::tunnel(socket, stream, &Arc::default(), copy::Side::Server).await;
                }
            });
            if let Err(error) = served.await {
                eprintln!("far: {error}");
            }
        });
    }
}

fn thread<F>(netns: Netns, work: F) -> std::thread::JoinHandle<()>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    std::thread::spawn(move || {
        let outcome = netns.enter(move || {
            net::threads::batch()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(31).build();
            runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(work))
        });
        eprintln!("ended: {outcome:?}");
    })
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [near_ns, far_ns, address, port] = words.as_slice() else {
        return Err("relay CLIENT-NS SERVER-NS SERVER-IP PORT".into());
    };
    let port: u16 = port.parse()?;
    let ca = Authority::self_signed("cluster.local")?.0;
    let identity = Identity::new("cluster.local", "bench", "relay")?;
    let own = certified(&ca, &identity)?;
    let peer = SocketAddr::new(address.parse()?, port + 2);
    let served = thread(Netns::open(far_ns)?, far(own.clone(), peer, SocketAddr::from(([127, 0, 0, 1], port))));
    thread(Netns::open(near_ns)?, near(own, peer, identity, SocketAddr::from(([127, 0, 0, 1], port + 1))));
    let _ = served.join();
    Ok(())
}
