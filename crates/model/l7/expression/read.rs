//! From the text of an expression to its tree.

use std::sync::Arc;

use cel::{
    common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators},
    parser::Parser,
};

use super::{
    Attribute, Function, Invalid, MAX_DEPTH, MAX_NODES, MAX_REGEX, MAX_TEXT, Node, Order, PeerField, RequestField,
    ResponseField, Search, Side,
};

/// Reads a text.
pub(super) fn tree(text: &str) -> Result<Node, Invalid> {
    if text.len() > MAX_TEXT {
        return Err(Invalid::TooLarge);
    }
    // The parser itself goes down for every bracket before it counts: deep texts never reach it.
    let mut depth = 0_u16;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Invalid::TooLarge);
        }
    }
    let parsed = Parser::new().max_recursion_depth(MAX_DEPTH).error_recovery_limit(1).parse(text);
    let parsed = parsed.map_err(|errors| {
        let first = errors.errors.first().map_or_else(String::new, |error| error.msg.clone());
        Invalid::Syntax(first.lines().next().unwrap_or_default().to_owned())
    })?;
    Reader { left: MAX_NODES }.node(&parsed)
}

struct Reader {
    left: usize,
}

impl Reader {
    fn node(&mut self, expression: &IdedExpr) -> Result<Node, Invalid> {
        self.left = self.left.checked_sub(1).ok_or(Invalid::TooLarge)?;
        match &expression.expr {
            Expr::Literal(literal) => constant(literal),
            Expr::Select(select) if select.test => Ok(Node::Has(attribute(&select.operand.expr, Some(&select.field))?)),
            Expr::Ident(_) | Expr::Select(_) => Ok(Node::Attribute(attribute(&expression.expr, None)?)),
            Expr::Call(call) => self.call(call),
            Expr::List(_) => Err(unsupported("a list that nothing is looked for in")),
            Expr::Comprehension(_) => Err(unsupported("a loop over values")),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => Err(unsupported("a map or a message")),
        }
    }

    fn boxed(&mut self, expression: &IdedExpr) -> Result<Box<Node>, Invalid> {
        self.node(expression).map(Box::new)
    }

    fn call(&mut self, call: &CallExpr) -> Result<Node, Invalid> {
        let args: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        match (&*call.func_name, &*args) {
            (operators::LOGICAL_AND, [a, b]) => Ok(Node::And(self.boxed(a)?, self.boxed(b)?)),
            (operators::LOGICAL_OR, [a, b]) => Ok(Node::Or(self.boxed(a)?, self.boxed(b)?)),
            // The parser makes one call of a chain.
            (operators::LOGICAL_AND, many) if many.len() > 2 => self.chain(many, Node::And),
            (operators::LOGICAL_OR, many) if many.len() > 2 => self.chain(many, Node::Or),
            (operators::LOGICAL_NOT, [a]) => Ok(Node::Not(self.boxed(a)?)),
            (operators::CONDITIONAL, [a, b, c]) => {
                Ok(Node::Choose(Box::new([self.node(a)?, self.node(b)?, self.node(c)?])))
            }
            (operators::INDEX, [of, name]) => Ok(Node::Attribute(indexed(of, name)?)),
            (operators::IN, [name, all]) => self.among(name, all),
            (operators::ADD, [a, b]) => Ok(Node::Add(self.boxed(a)?, self.boxed(b)?)),
            (operators::NEGATE, [a]) => match self.node(a)? {
                Node::Integer(number) => Ok(Node::Integer(number.saturating_neg())),
                Node::Double(number) => Ok(Node::Double(-number)),
                _ => Err(unsupported("a sign before something that is no number")),
            },
            ("matches", [text, pattern]) => {
                let Node::Text(pattern) = self.node(pattern)? else {
                    return Err(unsupported("a regular expression that is no constant"));
                };
                let regex = regex::RegexBuilder::new(&pattern).size_limit(MAX_REGEX).build();
                let regex = regex.map_err(|_| Invalid::Regex(pattern.to_string()))?;
                Ok(Node::Matches(self.boxed(text)?, regex))
            }
            (name, [a]) => match function(name) {
                Some(function) => Ok(Node::Call(function, self.boxed(a)?)),
                None => Err(unsupported(&format!("function {name}"))),
            },
            (name, [a, b]) => {
                if let Some(order) = order(name) {
                    return Ok(Node::Compare(order, self.boxed(a)?, self.boxed(b)?));
                }
                let search = search(name).ok_or_else(|| unsupported(&format!("function {name}")))?;
                Ok(Node::Search(search, self.boxed(a)?, self.boxed(b)?))
            }
            (name, _) => Err(unsupported(&format!("function {name}"))),
        }
    }

    fn chain(&mut self, all: &[&IdedExpr], join: fn(Box<Node>, Box<Node>) -> Node) -> Result<Node, Invalid> {
        let mut joined: Option<Node> = None;
        for one in all {
            let node = self.node(one)?;
            joined = Some(match joined {
                Some(before) => join(Box::new(before), Box::new(node)),
                None => node,
            });
        }
        joined.ok_or(Invalid::TooLarge)
    }

    fn among(&mut self, name: &IdedExpr, all: &IdedExpr) -> Result<Node, Invalid> {
        match &all.expr {
            Expr::List(list) => {
                let name = self.boxed(name)?;
                Ok(Node::Among(name, list.elements.iter().map(|e| self.node(e)).collect::<Result<_, _>>()?))
            }
            // `'x' in request.headers`
            _ => Ok(Node::Has(indexed(all, name)?)),
        }
    }
}

fn unsupported(what: &str) -> Invalid {
    Invalid::Unsupported(what.to_owned())
}

fn constant(literal: &LiteralValue) -> Result<Node, Invalid> {
    match literal {
        LiteralValue::Boolean(value) => Ok(Node::Bool(*value.inner())),
        LiteralValue::Double(value) => Ok(Node::Double(*value.inner())),
        LiteralValue::Int(value) => Ok(Node::Integer(*value.inner())),
        LiteralValue::String(value) => Ok(Node::Text(value.inner().into())),
        LiteralValue::UInt(value) => {
            i64::try_from(*value.inner()).map(Node::Integer).map_err(|_| unsupported("such a large number"))
        }
        LiteralValue::Bytes(_) | LiteralValue::Null => Err(unsupported("a constant of bytes, or null")),
    }
}

fn order(name: &str) -> Option<Order> {
    Some(match name {
        operators::EQUALS => Order::Same,
        operators::NOT_EQUALS => Order::Other,
        operators::LESS => Order::Less,
        operators::LESS_EQUALS => Order::LessOrSame,
        operators::GREATER => Order::More,
        operators::GREATER_EQUALS => Order::MoreOrSame,
        _ => return None,
    })
}

fn function(name: &str) -> Option<Function> {
    Some(match name {
        "size" => Function::Size,
        "string" => Function::Text,
        "int" => Function::Integer,
        "lowerAscii" => Function::Lower,
        _ => return None,
    })
}

fn search(name: &str) -> Option<Search> {
    Some(match name {
        "startsWith" => Search::Prefix,
        "endsWith" => Search::Suffix,
        "contains" => Search::Contains,
        _ => return None,
    })
}

/// Writes a path as it stands in the text.
fn path(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => Some(format!("{}.{}", path(&select.operand.expr)?, select.field)),
        _ => None,
    }
}

fn attribute(expression: &Expr, field: Option<&str>) -> Result<Attribute, Invalid> {
    let mut path = path(expression).ok_or_else(|| unsupported("a field of something that is no attribute"))?;
    if let Some(field) = field {
        path = format!("{path}.{field}");
    }
    named(&path).ok_or(Invalid::Attribute(path))
}

/// Reads `request.headers['x']`.
fn indexed(of: &IdedExpr, name: &IdedExpr) -> Result<Attribute, Invalid> {
    let Expr::Literal(LiteralValue::String(name)) = &name.expr else {
        return Err(unsupported("an index that is no constant text"));
    };
    let of = path(&of.expr).ok_or_else(|| unsupported("an index into something that is no attribute"))?;
    let name = name.inner().to_ascii_lowercase();
    match (&*of, &*name) {
        ("request.headers", ":authority" | "host") => Ok(Attribute::Request(RequestField::Host)),
        ("request.headers", ":method") => Ok(Attribute::Request(RequestField::Method)),
        ("request.headers", ":path") => Ok(Attribute::Request(RequestField::Path)),
        ("request.headers", ":scheme") => Ok(Attribute::Request(RequestField::Scheme)),
        ("request.headers", _) => Ok(Attribute::RequestHeader(name.into())),
        ("response.headers", ":status") => Ok(Attribute::Response(ResponseField::Code)),
        ("response.headers", _) => Ok(Attribute::ResponseHeader(name.into())),
        _ => named(&format!("{of}.{name}")).ok_or(Invalid::Attribute(format!("{of}['{name}']"))),
    }
}

fn named(path: &str) -> Option<Attribute> {
    let header = |name: &str| Attribute::RequestHeader(Arc::from(name));
    let (root, field) = path.split_once('.').unwrap_or((path, ""));
    match (root, field) {
        ("request", "useragent") => Some(header("user-agent")),
        ("request", "referer") => Some(header("referer")),
        ("request", _) if field.starts_with("headers.") => field.strip_prefix("headers.").map(header),
        ("request", _) => request(field).map(Attribute::Request),
        ("response", _) if field.starts_with("headers.") => {
            field.strip_prefix("headers.").map(|name| Attribute::ResponseHeader(name.into()))
        }
        ("response", _) => response(field).map(Attribute::Response),
        ("source", _) => peer(field).map(|field| Attribute::Peer(Side::Source, field)),
        ("destination", _) => peer(field).map(|field| Attribute::Peer(Side::Destination, field)),
        ("upstream", "address") => Some(Attribute::UpstreamAddress),
        ("route_name", "") | ("xds", "route_name") => Some(Attribute::RouteName),
        ("connection", "mtls") => Some(Attribute::Mtls),
        ("connection", "uri_san_peer_certificate") => Some(Attribute::Peer(Side::Source, PeerField::Principal)),
        _ => None,
    }
}

fn request(field: &str) -> Option<RequestField> {
    Some(match field {
        "host" => RequestField::Host,
        "method" => RequestField::Method,
        "scheme" => RequestField::Scheme,
        "path" => RequestField::Path,
        "url_path" => RequestField::UrlPath,
        "query" => RequestField::Query,
        "id" => RequestField::Id,
        "protocol" => RequestField::Protocol,
        "size" | "total_size" => RequestField::Size,
        "duration" => RequestField::Duration,
        _ => return None,
    })
}

fn response(field: &str) -> Option<ResponseField> {
    Some(match field {
        "code" => ResponseField::Code,
        "code_details" => ResponseField::CodeDetails,
        "flags" => ResponseField::Flags,
        "grpc_status" => ResponseField::GrpcStatus,
        "size" | "total_size" => ResponseField::Size,
        _ => return None,
    })
}

fn peer(field: &str) -> Option<PeerField> {
    Some(match field {
        "address" => PeerField::Address,
        "port" => PeerField::Port,
        "principal" => PeerField::Principal,
        "workload" | "workload.name" => PeerField::Workload,
        "namespace" | "workload.namespace" | "workload_namespace" => PeerField::Namespace,
        "app" => PeerField::App,
        "version" => PeerField::Version,
        "canonical_service" => PeerField::CanonicalService,
        "canonical_revision" => PeerField::CanonicalRevision,
        "cluster" => PeerField::Cluster,
        "service" => PeerField::Service,
        "service_name" => PeerField::ServiceName,
        "service_namespace" => PeerField::ServiceNamespace,
        _ => return None,
    })
}
