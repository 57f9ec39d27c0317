//! Asking by `envoy.service.auth.v3.Authorization`.

use std::{collections::HashMap, net::SocketAddr};

use http::{HeaderName, HeaderValue, StatusCode, Version as HttpVersion, request::Parts};
use model::{Identity, l7::route::BackendTarget, workload::Name};

use super::{Changes, Question, Said, denied};
use crate::{
    proto::{
        Address, AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption, OkHttpResponse,
        SocketAddress, address,
        attribute_context::{HttpRequest, Peer, Request as Asked},
        authorization_client::AuthorizationClient,
        check_response::HttpResponse,
        header_value_option::HeaderAppendAction,
        socket_address::PortSpecifier,
    },
    requests::{
        REQUEST_ID,
        ask::{Failure, grpc},
        headers,
        refusal::Refusal,
    },
};

/// How it is asked.
#[derive(Clone, Copy)]
pub struct How<'h> {
    /// The headers that are told; all of them without any.
    pub told: &'h [Name],
    /// Whether the body is told as bytes.
    pub raw: bool,
}

/// Asks.
pub async fn ask(question: &Question<'_>, target: &BackendTarget, how: How<'_>) -> Result<Said, Failure> {
    let (service, origin) = grpc(question.inbound, target).await?;
    let answer = AuthorizationClient::with_origin(service, origin).check(request(question, how)).await?;
    Ok(read(answer.into_inner()))
}

fn request(question: &Question<'_>, how: How<'_>) -> CheckRequest {
    let Question { inbound, parts, authority, body } = question;
    let peer = |address: SocketAddr, identity: Option<&Identity>| Peer {
        address: Some(Address {
            address: Some(address::Address::SocketAddress(SocketAddress {
                address: address.ip().to_string(),
                port_specifier: Some(PortSpecifier::PortValue(address.port().into())),
            })),
        }),
        principal: identity.map(ToString::to_string).unwrap_or_default(),
        ..Peer::default()
    };
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut headers: HashMap<String, String> = HashMap::new();
    let pseudo = [(":method", parts.method.as_str()), (":path", path), (":authority", authority), (":scheme", "http")];
    headers.extend(pseudo.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for (name, value) in &parts.headers {
        let known = headers.entry(name.as_str().to_owned()).or_default();
        if !known.is_empty() {
            known.push(',');
        }
        known.push_str(&text(value));
    }
    headers.retain(|name, _| how.told.is_empty() || how.told.iter().any(|told| **told == **name));
    if let Some((_, whole)) = body {
        headers.insert("x-envoy-auth-partial-body".to_owned(), (!whole).to_string());
    }
    let bytes = body.as_ref().map(|(bytes, _)| bytes.clone()).unwrap_or_default();
    let length = parts.headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let http = HttpRequest {
        id: parts.headers.get(&REQUEST_ID).map(text).unwrap_or_default(),
        method: parts.method.to_string(),
        headers,
        path: path.to_owned(),
        host: (*authority).to_owned(),
        scheme: "http".to_owned(),
        size: length.unwrap_or(-1),
        protocol: if parts.version == HttpVersion::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" }.to_owned(),
        body: if how.raw { String::new() } else { String::from_utf8_lossy(&bytes).into_owned() },
        raw_body: if how.raw { bytes.to_vec() } else { Vec::new() },
        ..HttpRequest::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(peer(inbound.client.address, Some(&inbound.client.identity))),
            destination: Some(peer(inbound.destination, None)),
            request: Some(Asked { time: Some(std::time::SystemTime::now().into()), http: Some(http) }),
            ..AttributeContext::default()
        }),
    }
}

fn read(answer: CheckResponse) -> Said {
    let allowed = answer.status.as_ref().is_none_or(|status| status.code == 0);
    match (allowed, answer.http_response) {
        (true, Some(HttpResponse::OkResponse(ok))) => Said::Allow(changes(ok)),
        (true, None) if answer.status.is_some() => Said::Allow(Changes::default()),
        (_, Some(HttpResponse::DeniedResponse(denied))) => Said::Deny(Box::new(refusal(denied)), None),
        _ => Said::Deny(Box::new(denied("the external authorization refuses it".to_owned())), None),
    }
}

fn refusal(said: DeniedHttpResponse) -> Refusal {
    let status = said.status.and_then(|status| StatusCode::from_u16(status.code.try_into().ok()?).ok());
    let status = status.filter(|status| status.as_u16() >= 200).unwrap_or(StatusCode::FORBIDDEN);
    let mut refusal = Refusal::new(status, "UAEX", "", "the external authorization refuses it");
    refusal.body = said.body.into();
    refusal.headers = said.headers.into_iter().filter_map(|option| Some(pair(option)?.1)).collect();
    refusal.headers.retain(|(name, _)| !super::OURS.contains(name));
    refusal
}

fn changes(ok: OkHttpResponse) -> Changes {
    let mut changes = Changes {
        remove: ok.headers_to_remove.iter().filter_map(|name| name.parse().ok()).collect(),
        query: Query {
            set: ok.query_parameters_to_set.into_iter().map(|p| (p.key, p.value)).collect(),
            remove: ok.query_parameters_to_remove,
        },
        ..Changes::default()
    };
    for (appends, header) in ok.headers.into_iter().filter_map(pair) {
        if appends { changes.append.push(header) } else { changes.set.push(header) }
    }
    changes.answer = ok.response_headers_to_add.into_iter().filter_map(|option| Some(pair(option)?.1)).collect();
    changes.answer.retain(|(name, _)| !super::OURS.contains(name));
    changes
}

/// Reads a header, and whether it stands beside what is there; without a word about it, it does not (Envoy, `OkHttpResponse`).
fn pair(option: HeaderValueOption) -> Option<(bool, (HeaderName, HeaderValue))> {
    let appends =
        option.append.unwrap_or(false) && option.append_action == HeaderAppendAction::AppendIfExistsOrAdd as i32;
    let header = option.header?;
    let value = if header.raw_value.is_empty() { header.value.into_bytes() } else { header.raw_value };
    // A pseudo-header is no name: nobody but a rule says where a request goes.
    Some((appends, (header.key.parse().ok()?, HeaderValue::from_bytes(&value).ok()?)))
}

/// Changes of the query.
#[derive(Debug, Default)]
pub struct Query {
    set: Vec<(String, String)>,
    remove: Vec<String>,
}

impl Query {
    /// Makes them.
    ///
    /// # Errors
    /// The query cannot be sent once it is changed: what the authorization says must not be left out.
    pub fn apply(&self, parts: &mut Parts) -> Result<(), Refusal> {
        if self.set.is_empty() && self.remove.is_empty() {
            return Ok(());
        }
        let query = parts.uri.query().unwrap_or_default();
        let gone = |name: &str| self.remove.iter().any(|n| n == name) || self.set.iter().any(|(n, _)| n == name);
        let mut written = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| !gone(name)) {
            written.append_pair(&name, &value);
        }
        written.extend_pairs(&self.set);
        let query = written.finish();
        let path = parts.uri.path().to_owned();
        headers::set_target(parts, &path, Some(&*query).filter(|query| !query.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_grows_too_long_is_refused_and_not_left_as_it_was() {
        let change = Query { set: vec![("user".to_owned(), "alice".to_owned())], remove: vec!["admin".to_owned()] };
        let rows = [(10, true), (22_000, false)];
        for (length, passes) in rows {
            // Each of these takes three bytes once it is written again.
            let uri = format!("/x?admin=1&user=me&p={}", "~".repeat(length));
            let (mut parts, ()) = http::Request::get(uri).body(()).expect("valid").into_parts();
            let told = change.apply(&mut parts);
            assert_eq!(told.is_ok(), passes, "{length}");
            let query = parts.uri.query().unwrap_or_default();
            assert_eq!(passes, !query.contains("admin") && query.contains("user=alice"), "{length}");
        }
    }
}

#[cfg(test)]
mod fuzz {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn option() -> impl Strategy<Value = HeaderValueOption> {
        let key = prop_oneof![
            proptest::sample::select(vec![
                "host",
                "x-a",
                "connection",
                ":path",
                "content-length",
                "x-forwarded-client-cert",
                ""
            ])
            .prop_map(str::to_owned),
            ".{0,12}",
        ];
        (key, ".{0,12}", prop::collection::vec(any::<u8>(), 0..8), prop::option::of(any::<bool>()), 0..5_i32).prop_map(
            |(key, value, raw_value, append, append_action)| HeaderValueOption {
                header: Some(crate::proto::HeaderValue { key, value, raw_value }),
                append,
                append_action,
            },
        )
    }

    fn answer() -> impl Strategy<Value = CheckResponse> {
        let headers = || prop::collection::vec(option(), 0..4);
        let parameters = prop::collection::vec((".{0,8}", ".{0,8}"), 0..3);
        let ok = (headers(), headers(), prop::collection::vec(".{0,12}", 0..3), parameters).prop_map(
            |(headers, response_headers_to_add, headers_to_remove, parameters)| {
                let parameter = |(key, value)| crate::proto::QueryParameter { key, value };
                HttpResponse::OkResponse(OkHttpResponse {
                    headers,
                    response_headers_to_add,
                    query_parameters_to_remove: headers_to_remove.clone(),
                    headers_to_remove,
                    query_parameters_to_set: parameters.into_iter().map(parameter).collect(),
                })
            },
        );
        let denied = (headers(), any::<i32>(), ".{0,12}").prop_map(|(headers, code, body)| {
            HttpResponse::DeniedResponse(DeniedHttpResponse {
                headers,
                body,
                status: Some(crate::proto::HttpStatus { code }),
            })
        });
        let status = prop::option::of((0..17_i32).prop_map(|code| crate::proto::Status { code, ..Default::default() }));
        (status, prop::option::of(prop_oneof![ok, denied]))
            .prop_map(|(status, http_response)| CheckResponse { status, http_response })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is answered: nobody passes whom the answer refuses, and what is the proxy's own stays.
        #[test]
        fn no_answer_is_a_surprise(answer in answer()) {
            let refuses = answer.status.as_ref().is_none_or(|status| status.code != 0);
            let request = http::Request::builder().uri("/x?a=1").header("host", "web").header("x-forwarded-client-cert", "me");
            let (mut parts, ()) = request.body(()).expect("valid").into_parts();
            match read(answer) {
                Said::Allow(changes) => {
                    let told = changes.apply(&mut parts).expect("short");
                    prop_assert!(told.iter().all(|(name, _)| !super::super::OURS.contains(name)));
                    prop_assert!(parts.headers["host"] == "web" && parts.headers["x-forwarded-client-cert"] == "me");
                    prop_assert_eq!(parts.uri.path(), "/x");
                }
                Said::Deny(refusal, _) => {
                    prop_assert!(refusal.status.as_u16() >= 200);
                    prop_assert!(refusal.headers.iter().all(|(name, _)| !super::super::OURS.contains(name)));
                    prop_assert!(refuses || parts.headers["host"] == "web");
                }
            }
        }

        #[test]
        fn no_bytes_are_a_surprise(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(answer) = CheckResponse::decode(&*bytes) {
                drop(read(answer));
            }
        }
    }
}
