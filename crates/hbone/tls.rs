//! TLS over our own buffers: records are opened where they were received and sealed where they are sent from.

use std::sync::Arc;

use rustls::{
    ClientConfig, CommonState, Error, ServerConfig,
    client::UnbufferedClientConnection,
    pki_types::ServerName,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus},
};

use crate::buffer::Buffer;

/// What a record adds to its bytes: head, content type, tag (RFC 8446 5.2), and some for a change of keys.
const OVERHEAD: usize = 64;
/// The most bytes of a record (RFC 8446 5.1).
const RECORD: usize = 16 << 10;
/// The largest message of a handshake that is sent.
const MESSAGE: usize = 4 << 10;

/// One side of a TLS connection.
pub struct Tls {
    side: Side,
    /// It broke: nothing is looked at again.
    failed: bool,
}

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The handshake waits for the peer.
    Handshake,
    /// Bytes may go both ways.
    Open,
    /// The peer has closed.
    Closed,
}

enum Next {
    Again,
    Stands(Standing),
    Write,
}

impl Tls {
    /// Begins as a client.
    ///
    /// # Errors
    /// Settings that do not fit together.
    pub fn client(config: &Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        UnbufferedClientConnection::new(config.clone(), name)
            .map(|connection| Self { side: Side::Client(connection), failed: false })
    }

    /// Begins as a server.
    ///
    /// # Errors
    /// Settings that do not fit together.
    pub fn server(config: &Arc<ServerConfig>) -> Result<Self, Error> {
        UnbufferedServerConnection::new(config.clone())
            .map(|connection| Self { side: Side::Server(connection), failed: false })
    }

    /// Returns what the handshake agreed on.
    #[must_use]
    pub fn common(&self) -> &CommonState {
        match &self.side {
            Side::Client(connection) => connection,
            Side::Server(connection) => connection,
        }
    }

    /// Takes in what was received and gives its bytes to `data`; what is to be sent in answer goes to `out`.
    ///
    /// # Errors
    /// A peer that breaks the protocol or cannot be trusted: `out` has the alert that says so.
    pub fn receive(
        &mut self,
        incoming: &mut Buffer,
        out: &mut Buffer,
        mut data: impl FnMut(&[u8]),
    ) -> Result<Standing, Error> {
        loop {
            let (discard, next) = match &mut self.side {
                Side::Client(connection) => step(connection.process_tls_records(incoming.filled_mut()), out, &mut data),
                Side::Server(connection) => step(connection.process_tls_records(incoming.filled_mut()), out, &mut data),
            };
            incoming.consume(discard);
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Stands(standing)) => return Ok(standing),
                Ok(Next::Write) => return Ok(Standing::Open),
                Err(error) => {
                    self.failed = true;
                    self.alert(incoming, out);
                    return Err(error);
                }
            }
        }
    }

    /// Seals bytes into `out`. What was received and not taken in yet comes along: rustls looks at it at every step.
    ///
    /// # Errors
    /// A connection that is not open, or whose keys are used up.
    pub fn encrypt(&mut self, plain: &[u8], incoming: &mut Buffer, out: &mut Buffer) -> Result<(), Error> {
        if self.failed {
            return Err(Error::General("the connection broke before".to_owned()));
        }
        let room = plain.len() + (plain.len() / RECORD + 1) * OVERHEAD;
        loop {
            let (discard, next) = match &mut self.side {
                Side::Client(connection) => {
                    seal(connection.process_tls_records(incoming.filled_mut()), plain, room, out)
                }
                Side::Server(connection) => {
                    seal(connection.process_tls_records(incoming.filled_mut()), plain, room, out)
                }
            };
            incoming.consume(discard);
            if let Next::Write = next? {
                return Ok(());
            }
        }
    }

    /// Says farewell.
    pub fn close(&mut self, incoming: &mut Buffer, out: &mut Buffer) {
        if self.failed {
            return;
        }
        let written = match &mut self.side {
            Side::Client(connection) => goodbye(connection.process_tls_records(incoming.filled_mut()), out),
            Side::Server(connection) => goodbye(connection.process_tls_records(incoming.filled_mut()), out),
        };
        out.grow(written);
    }

    /// Takes the alert that an error left behind; rustls gives it before it looks at anything else.
    fn alert(&mut self, incoming: &mut Buffer, out: &mut Buffer) {
        let (discard, _) = match &mut self.side {
            Side::Client(connection) => step(connection.process_tls_records(incoming.filled_mut()), out, &mut |_| {}),
            Side::Server(connection) => step(connection.process_tls_records(incoming.filled_mut()), out, &mut |_| {}),
        };
        incoming.consume(discard);
    }
}

fn goodbye<D>(status: UnbufferedStatus<'_, '_, D>, out: &mut Buffer) -> usize {
    match status.state {
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            traffic.queue_close_notify(out.room(OVERHEAD)).unwrap_or_default()
        }
        _ => 0,
    }
}

fn step<D>(
    status: UnbufferedStatus<'_, '_, D>,
    out: &mut Buffer,
    data: &mut impl FnMut(&[u8]),
) -> (usize, Result<Next, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let next = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Ok(Next::Again),
                Some(Ok(record)) => {
                    discard += record.discard;
                    data(record.payload);
                }
                Some(Err(error)) => break Err(error),
            }
        },
        Ok(ConnectionState::EncodeTlsData(message)) => encode(message, out),
        Ok(ConnectionState::TransmitTlsData(sent)) => {
            // It is in the buffer, which is sent in order.
            sent.done();
            Ok(Next::Again)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Next::Stands(Standing::Handshake)),
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Next::Write),
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Next::Stands(Standing::Closed)),
        Ok(_) => Err(Error::General("early data is not taken".to_owned())),
    };
    (discard, next)
}

fn seal<D>(
    status: UnbufferedStatus<'_, '_, D>,
    plain: &[u8],
    room: usize,
    out: &mut Buffer,
) -> (usize, Result<Next, Error>) {
    let UnbufferedStatus { discard, state } = status;
    let next = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::WriteTraffic(mut traffic)) => match traffic.encrypt(plain, out.room(room)) {
            Ok(written) => {
                out.grow(written);
                Ok(Next::Write)
            }
            Err(EncryptError::InsufficientSize(wanted)) => {
                out.room(wanted.required_size);
                Ok(Next::Again)
            }
            Err(EncryptError::EncryptExhausted) => Err(Error::EncryptError),
        },
        Ok(ConnectionState::EncodeTlsData(message)) => encode(message, out),
        Ok(ConnectionState::TransmitTlsData(sent)) => {
            sent.done();
            Ok(Next::Again)
        }
        // The peer has closed its direction; ours goes on.
        Ok(ConnectionState::PeerClosed) => Ok(Next::Again),
        Ok(ConnectionState::Closed) => Err(Error::General("the connection is closed".to_owned())),
        Ok(_) => Err(Error::HandshakeNotComplete),
    };
    (discard, next)
}

fn encode<D>(mut message: EncodeTlsData<'_, D>, out: &mut Buffer) -> Result<Next, Error> {
    let written = match message.encode(out.room(MESSAGE)) {
        Err(EncodeError::InsufficientSize(wanted)) => message.encode(out.room(wanted.required_size)),
        outcome => outcome,
    };
    let written = written.map_err(|_| Error::General("a message of the handshake is too long".to_owned()))?;
    out.grow(written);
    Ok(Next::Again)
}
