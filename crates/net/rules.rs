//! Rules as data, and the redirection written in them: which packets of a pod go to ztunnel, and which rewrite on
//! the node keeps probes out. `nft` writes a table into the kernel, [`std::fmt::Display`] shows it as `nft` would.
//!
//! Numbers are the contract with Istio's ztunnel and cni: ports, marks and the probe source.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Mark on every packet that ztunnel itself sends inside a pod.
pub const ZTUNNEL_MARK: u32 = 0x539;
/// Connection mark of the flows whose replies must come back to ztunnel.
pub const REPLY_MARK: u32 = 0x111;
/// The bits of a mark that are ours; the others may belong to somebody else.
pub const MARK_MASK: u32 = 0xfff;
/// Where outgoing connections go.
pub const OUTBOUND_PORT: u16 = 15001;
/// Where incoming plaintext connections go.
pub const INBOUND_PLAINTEXT_PORT: u16 = 15006;
/// Where HBONE arrives; it is reached directly.
pub const HBONE_PORT: u16 = 15008;
/// The source that probes from the node carry (IPv4).
pub const PROBE_SOURCE_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 7, 127);
/// The source that probes from the node carry (IPv6).
pub const PROBE_SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0xfd16, 0x9254, 0x7127, 0x1337, 0xffff, 0xffff, 0xffff, 0xffff);
/// Zone of connection tracking for the connections that ztunnel opens.
pub const ZTUNNEL_ZONE: u16 = 1;
/// Routing table that delivers locally.
pub const REPLY_TABLE: u8 = 100;
/// Preference of the policy route.
pub const REPLY_PREFERENCE: u32 = 32764;
/// Where packets are looked at that should have been redirected, on their way in.
const UNREDIRECTED_IN: &str = "unredirected-in";
/// The same on their way out.
const UNREDIRECTED_OUT: &str = "unredirected-out";
/// Our table's name in a pod.
pub const POD_TABLE: &str = "ambient";
/// Our table's name on the node.
pub const HOST_TABLE: &str = "ambient-host";
/// Set of the enrolled pods' IPv4 addresses on the node.
pub const PROBES_V4: &str = "probes-v4";
/// Set of the enrolled pods' IPv6 addresses on the node.
pub const PROBES_V6: &str = "probes-v6";

/// One `inet` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Name.
    pub name: &'static str,
    /// Sets of addresses.
    pub sets: Vec<Set>,
    /// Chains; one that others jump to stands before them.
    pub chains: Vec<Chain>,
}

/// A set of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Name.
    pub name: &'static str,
    /// IPv6 or IPv4.
    pub v6: bool,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Name.
    pub name: &'static str,
    /// Where packets meet it; none for a chain that others jump to.
    pub base: Option<Base>,
    /// Rules, first match wins.
    pub rules: Vec<Rule>,
}

/// Where packets meet a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// What the chain may do.
    pub kind: Kind,
    /// The place in a packet's way.
    pub hook: Hook,
    /// Order among the chains of the hook.
    pub priority: i32,
}

/// Types of base chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Plain.
    Filter,
    /// Translates addresses.
    Nat,
    /// Routes anew when a packet's mark was changed.
    Route,
}

/// Hooks, with the kernel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Received, before routing.
    Prerouting = 0,
    /// Made here, after routing.
    Output = 3,
    /// About to leave.
    Postrouting = 4,
}

/// A rule: all conditions hold → the action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Conditions.
    pub when: Vec<Match>,
    /// What then happens.
    pub then: Action,
}

/// Protocols with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// TCP.
    Tcp,
    /// The protocol, and the destination port.
    Port(Protocol, u16),
    /// A pure SYN: `tcp flags & (fin|syn|rst|ack) == syn`.
    Syn,
    /// Destination port differs.
    NotPort(u16),
    /// The packet's mark, under [`MARK_MASK`].
    Mark(u32),
    /// Not the packet's mark, under [`MARK_MASK`].
    NotMark(u32),
    /// The connection's mark, under [`MARK_MASK`].
    ConnectionMark(u32),
    /// Source address.
    Source(IpAddr),
    /// Destination address.
    Destination(IpAddr),
    /// The family, and a destination that is not loopback.
    NotLoopback {
        /// IPv6 or IPv4.
        v6: bool,
    },
    /// Leaves through the loopback interface.
    ToLoopback,
    /// Came in through the loopback interface.
    FromLoopback,
    /// A socket of this host made the packet.
    HasSocket,
    /// Destination is in the set.
    InSet(&'static str, bool),
    /// The connection's destination was translated.
    Translated,
    /// Source and destination are the same one of these addresses, which are all of the family.
    FromItself {
        /// IPv6 or IPv4.
        v6: bool,
        /// The addresses, each once.
        addresses: Vec<IpAddr>,
    },
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// No further rule of the chain.
    Accept,
    /// The packet is lost, and nobody is told.
    Drop,
    /// Keeps connections that begin with such packets apart from all others with the same two ends, as their first packet has them.
    /// Answers are found as ever.
    SetOriginalZone(u16),
    /// On with the rules of another chain of the table.
    Jump(&'static str),
    /// To one of these, each with the same chance; all are of one family, and there is one at least.
    Dnat(Vec<SocketAddr>),
    /// The source address becomes that of the interface the packet leaves by.
    Masquerade,
    /// Refused at once: a TCP reset, or an ICMP message that nobody listens on the port.
    Reject(Protocol),
    /// To a local port.
    Redirect(u16),
    /// Another source address.
    Snat(IpAddr),
    /// Sets our bits of the connection's mark.
    SetConnectionMark(u32),
    /// Gives the packet its connection's mark.
    RestoreMark,
}

/// What the rules of a pod do at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// New connections are redirected.
    Capture {
        /// Incoming ones as well (false for ingress gateways).
        inbound: bool,
    },
    /// Nothing new is redirected; what runs through ztunnel goes on.
    ///
    /// The nat chains and a rule that needs connection tracking stay: with the last of them the kernel
    /// stops tracking in that namespace, and every redirected stream would lose its translation.
    Draining,
}

/// The rules inside a pod.
pub fn pod_table(mode: Mode) -> Table {
    let (prerouting, output) = match mode {
        Mode::Capture { inbound } => (if inbound { capture_in() } else { vec![] }, capture_out()),
        Mode::Draining => (vec![never()], vec![never()]),
    };
    let (unredirected_in, unredirected_out) = match mode {
        Mode::Capture { .. } => (stopped_in(&prerouting), stopped_out(&output)),
        Mode::Draining => (vec![], vec![]),
    };
    Table {
        name: POD_TABLE,
        sets: vec![],
        chains: vec![
            // An application may get a port that ztunnel had towards the same peer a moment ago, and the other way round. Without a zone the
            // new connection would be taken for the rest of the other: not redirected, or redirected to ztunnel by itself.
            // To change the zone, or what is in it, is to cut what ztunnel has open then: the kernel would no longer find its connections.
            Chain {
                name: "output-zone",
                base: Some(Base { kind: Kind::Filter, hook: Hook::Output, priority: -300 }),
                rules: vec![Rule {
                    when: vec![Match::Mark(ZTUNNEL_MARK)],
                    then: Action::SetOriginalZone(ZTUNNEL_ZONE),
                }],
            },
            // ztunnel connects to the application with the client's address as source. The mark on
            // the connection lets the answers find back: they are routed to lo, not to the client.
            Chain {
                name: "prerouting-mark",
                base: Some(Base { kind: Kind::Filter, hook: Hook::Prerouting, priority: -150 }),
                rules: vec![Rule {
                    when: vec![Match::Mark(ZTUNNEL_MARK)],
                    then: Action::SetConnectionMark(REPLY_MARK),
                }],
            },
            Chain {
                name: "output-mark",
                base: Some(Base { kind: Kind::Route, hook: Hook::Output, priority: -150 }),
                // ztunnel's own packets stay on loopback without: to mark them would have the kernel route each anew.
                rules: vec![Rule {
                    when: vec![Match::ConnectionMark(REPLY_MARK), Match::NotMark(ZTUNNEL_MARK)],
                    then: Action::RestoreMark,
                }],
            },
            Chain {
                name: "prerouting-nat",
                // Before what the pod itself may have there: the first translation of a connection stays.
                base: Some(Base { kind: Kind::Nat, hook: Hook::Prerouting, priority: -101 }),
                rules: prerouting,
            },
            Chain {
                name: "output-nat",
                base: Some(Base { kind: Kind::Nat, hook: Hook::Output, priority: -101 }),
                rules: output,
            },
            Chain { name: UNREDIRECTED_IN, base: None, rules: unredirected_in },
            Chain {
                name: "prerouting-guard",
                base: Some(Base { kind: Kind::Filter, hook: Hook::Prerouting, priority: -90 }),
                rules: guard(UNREDIRECTED_IN),
            },
            Chain { name: UNREDIRECTED_OUT, base: None, rules: unredirected_out },
            Chain {
                name: "output-guard",
                base: Some(Base { kind: Kind::Filter, hook: Hook::Output, priority: -90 }),
                rules: guard(UNREDIRECTED_OUT),
            },
        ],
    }
}

/// The rules on the node: what the node's own sockets (the kubelet) send to an enrolled pod carries
/// the probe source, which the pod's rules let through; and nobody else's packets do.
pub fn host_table() -> Table {
    let snat = |set, v6, source: IpAddr| Rule {
        when: vec![Match::Tcp, Match::HasSocket, Match::InSet(set, v6)],
        then: Action::Snat(source),
    };
    let forged = |source: IpAddr| Rule { when: vec![Match::Source(source)], then: Action::Drop };
    Table {
        name: HOST_TABLE,
        sets: vec![Set { name: PROBES_V4, v6: false }, Set { name: PROBES_V6, v6: true }],
        chains: vec![
            // Only the node's own packets have that source, and they are not received. Whoever else shows it wants past a pod's policies.
            Chain {
                name: "prerouting",
                base: Some(Base { kind: Kind::Filter, hook: Hook::Prerouting, priority: -300 }),
                rules: [PROBE_SOURCE_V4.into(), PROBE_SOURCE_V6.into()].map(forged).into(),
            },
            Chain {
                name: "postrouting",
                // Before the masquerading of kube-proxy and of CNI plugins, which sits at 100: the first
                // translation of a connection stays.
                base: Some(Base { kind: Kind::Nat, hook: Hook::Postrouting, priority: 90 }),
                rules: vec![
                    snat(PROBES_V4, false, PROBE_SOURCE_V4.into()),
                    snat(PROBES_V6, true, PROBE_SOURCE_V6.into()),
                ],
            },
        ],
    }
}

fn capture_in() -> Vec<Rule> {
    let mut rules = vec![
        accept(vec![Match::Source(PROBE_SOURCE_V4.into()), Match::Tcp]),
        accept(vec![Match::Source(PROBE_SOURCE_V6.into()), Match::Tcp]),
    ];
    for v6 in [false, true] {
        rules.push(Rule {
            when: vec![
                Match::NotLoopback { v6 },
                Match::Tcp,
                Match::NotPort(HBONE_PORT),
                Match::NotMark(ZTUNNEL_MARK),
                // Connections older than the enrolment look new to connection tracking; redirecting
                // one resets it. Only what starts now starts with a pure SYN.
                Match::Syn,
            ],
            then: Action::Redirect(INBOUND_PLAINTEXT_PORT),
        });
    }
    rules
}

fn capture_out() -> Vec<Rule> {
    let mut rules = vec![
        accept(vec![Match::Destination(PROBE_SOURCE_V4.into()), Match::Tcp]),
        accept(vec![Match::Destination(PROBE_SOURCE_V6.into()), Match::Tcp]),
        accept(vec![Match::Tcp, Match::Mark(REPLY_MARK)]),
        // A pod that calls its own address, and everything on loopback.
        accept(vec![Match::ToLoopback]),
    ];
    for v6 in [false, true] {
        rules.push(Rule {
            when: vec![Match::NotLoopback { v6 }, Match::Tcp, Match::NotMark(ZTUNNEL_MARK), Match::Syn],
            then: Action::Redirect(OUTBOUND_PORT),
        });
    }
    rules
}

/// Has a look at packets with which a connection begins.
fn guard(chain: &'static str) -> Vec<Rule> {
    vec![Rule { when: vec![Match::Tcp, Match::Syn], then: Action::Jump(chain) }]
}

/// Stops what these rules would have redirected and did not, on its way out.
///
/// The kernel translates a connection by its first packet only, and takes for a later one whatever has the two ends of a connection that it
/// knows: one that is older than the rules, and any that somebody made it believe in by a segment out of nothing. A connection that
/// begins with these ends is not translated; without this it would come to the application past ztunnel and every policy. Its first
/// packet is repeated, and comes through once the other connection is forgotten, seconds after its end. A reset instead would end a
/// connection that is older and whose first packet comes a second time, late.
///
/// What goes to the proxy is let through without a word: by now it has a loopback address.
fn stopped_out(capture: &[Rule]) -> Vec<Rule> {
    let stop = |rule: &Rule| match rule.then {
        Action::Redirect(_) => Rule { when: rule.when.clone(), then: Action::Drop },
        _ => rule.clone(),
    };
    capture.iter().map(stop).collect()
}

/// The same on the way in, where another translation than ours leads past the proxy as well, and so does a loopback address, for which
/// nobody outside has a use: a pod may allow both to itself (`route_localnet`).
fn stopped_in(capture: &[Rule]) -> Vec<Rule> {
    if capture.is_empty() {
        return vec![];
    }
    let redirected = vec![Match::Translated, Match::Port(Protocol::Tcp, INBOUND_PLAINTEXT_PORT)];
    let mut rules = vec![accept(redirected), accept(vec![Match::FromLoopback])];
    rules.extend(stopped_out(capture));
    rules.iter_mut().for_each(|rule| rule.when.retain(|condition| !matches!(condition, Match::NotLoopback { .. })));
    rules.dedup();
    rules
}

/// Matches nothing (TCP to the broadcast address does not exist), yet needs translation, which keeps
/// connection tracking switched on.
fn never() -> Rule {
    Rule {
        when: vec![Match::Destination(Ipv4Addr::BROADCAST.into()), Match::Tcp, Match::Mark(ZTUNNEL_MARK), Match::Syn],
        then: Action::Redirect(OUTBOUND_PORT),
    }
}

fn accept(when: Vec<Match>) -> Rule {
    Rule { when, then: Action::Accept }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table inet {} {{", self.name)?;
        for set in &self.sets {
            let kind = if set.v6 { "ipv6_addr" } else { "ipv4_addr" };
            writeln!(f, "\tset {} {{\n\t\ttype {kind}\n\t}}\n", set.name)?;
        }
        for (i, chain) in self.chains.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{chain}")?;
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\tchain {} {{", self.name)?;
        if let Some(base) = self.base {
            writeln!(f, "\t\t{base}")?;
        }
        for rule in &self.rules {
            writeln!(f, "\t\t{rule}")?;
        }
        write!(f, "\t}}")
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Filter => "filter",
            Kind::Nat => "nat",
            Kind::Route => "route",
        };
        let hook = match self.hook {
            Hook::Prerouting => "prerouting",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
        };
        // nft shows the well-known priorities by name.
        let priority = match (self.priority, self.hook) {
            (-300, _) => "raw".to_owned(),
            (-150, _) => "mangle".to_owned(),
            (0, _) => "filter".to_owned(),
            (-100, Hook::Prerouting) => "dstnat".to_owned(),
            (-101, Hook::Prerouting) => "dstnat - 1".to_owned(),
            (100, Hook::Postrouting) => "srcnat".to_owned(),
            (90, Hook::Postrouting) => "srcnat - 10".to_owned(),
            (-90, Hook::Prerouting) => "dstnat + 10".to_owned(),
            (other, _) => other.to_string(),
        };
        write!(f, "type {kind} hook {hook} priority {priority}; policy accept;")
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for condition in &self.when {
            write!(f, "{condition} ")?;
        }
        write!(f, "{}", self.then)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ip = |v6| if v6 { "ip6" } else { "ip" };
        match self {
            Match::Tcp => write!(f, "meta l4proto tcp"),
            Match::Syn => write!(f, "tcp flags syn / fin,syn,rst,ack"),
            Match::Port(protocol, port) => write!(f, "{protocol} dport {port}"),
            Match::NotPort(port) => write!(f, "tcp dport != {port}"),
            Match::Mark(mark) => write!(f, "meta mark & {MARK_MASK:#010x} == {mark:#010x}"),
            Match::NotMark(mark) => write!(f, "meta mark & {MARK_MASK:#010x} != {mark:#010x}"),
            Match::ConnectionMark(m) => write!(f, "ct mark & {MARK_MASK:#010x} == {m:#010x}"),
            Match::Source(a) => write!(f, "{} saddr {a}", ip(a.is_ipv6())),
            Match::Destination(a) => write!(f, "{} daddr {a}", ip(a.is_ipv6())),
            Match::NotLoopback { v6: false } => write!(f, "ip daddr != 127.0.0.0/8"),
            Match::NotLoopback { v6: true } => write!(f, "ip6 daddr != ::1"),
            Match::ToLoopback => write!(f, "oif \"lo\""),
            Match::FromLoopback => write!(f, "iif \"lo\""),
            Match::HasSocket => write!(f, "meta skuid >= 0"),
            Match::InSet(set, v6) => write!(f, "{} daddr @{set}", ip(*v6)),
            Match::Translated => write!(f, "ct status dnat"),
            Match::FromItself { v6, addresses } => {
                let pairs: Vec<String> = addresses.iter().map(|a| format!("{a} . {a}")).collect();
                write!(f, "{ip} saddr . {ip} daddr {{ {} }}", pairs.join(", "), ip = ip(*v6))
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Accept => write!(f, "accept"),
            Action::Drop => write!(f, "drop"),
            Action::SetOriginalZone(zone) => write!(f, "ct original zone set {zone}"),
            Action::Jump(chain) => write!(f, "jump {chain}"),
            Action::Dnat(to) => {
                let ip = if to.iter().any(SocketAddr::is_ipv6) { "ip6" } else { "ip" };
                if let [one] = &to[..] {
                    return write!(f, "dnat {ip} to {one}");
                }
                let shares: Vec<String> =
                    to.iter().enumerate().map(|(i, to)| format!("{i} : {} . {}", to.ip(), to.port())).collect();
                write!(f, "dnat {ip} to numgen random mod {} map {{ {} }}", to.len(), shares.join(", "))
            }
            Action::Masquerade => write!(f, "masquerade"),
            Action::Reject(Protocol::Tcp) => write!(f, "reject with tcp reset"),
            Action::Reject(Protocol::Udp) => write!(f, "reject"), // nft leaves its default out: icmpx port-unreachable
            Action::Redirect(port) => write!(f, "redirect to :{port}"),
            Action::Snat(to) => {
                write!(f, "snat {} to {to}", if to.is_ipv6() { "ip6" } else { "ip" })
            }
            Action::SetConnectionMark(mark) => {
                // As nft shows it: bits that are set anyway need not be cleared.
                write!(f, "ct mark set ct mark & {:#010x} | {mark:#010x}", !MARK_MASK | mark)
            }
            Action::RestoreMark => write!(f, "meta mark set ct mark"),
        }
    }
}
