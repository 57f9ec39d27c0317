//! What Envoy is told. As Istio's waypoint: tunnels end in one listener, an inner one routes, another begins the tunnels to
//! endpoints. And as a router without tunnels.

use std::path::Path;

use serde_json::{Value, json};

use crate::bench::l7::{
    bed::{Bed, ENVOY, HBONE, SPACE, identity, shown},
    case::{CASES, Case, Issuer, PORTS, Port, server},
};

const TYPE: &str = "type.googleapis.com";
/// What tells the destination of a tunnel to the listener that begins it.
const DESTINATION: &str = "envoy.filters.listener.original_dst";
/// What tells who asks to the listener that routes.
const PEER: &str = "io.istio.peer_principal";

/// Makes the settings of the one that is a waypoint.
pub fn waypoint(bed: &Bed, issuer: &Issuer) -> Result<Value, String> {
    let certificates = bed.certificate("waypoint")?;
    let all = || CASES.into_iter().flat_map(|case| case.ports().iter().map(move |port| (case, port)));
    let mut listeners = vec![terminate(&certificates, all())?, originate()];
    let mut clusters = vec![tunnels(&certificates)?];
    for (case, port) in all() {
        let name = inner(case, port);
        listeners.push(json!({
            "name": name, "internal_listener": {},
            "filter_chains": [{ "filters": [manager(bed, case, port, issuer, true)] }],
        }));
        clusters.push(cluster(&name, &json!({
            "load_assignment": endpoint(&name, &json!({ "envoy_internal_address": { "server_listener_name": name } })),
            "transport_socket": internal(&json!([])),
        })));
    }
    for port in &PORTS {
        let to = server(port).to_string();
        let address = json!({ "envoy_internal_address": { "server_listener_name": "originate", "endpoint_id": to } });
        let mut assignment = endpoint(port.name, &address);
        assignment["endpoints"][0]["lb_endpoints"][0]["metadata"] =
            json!({ "filter_metadata": { DESTINATION: { "local": to } } });
        let metadata = json!([{ "kind": { "host": {} }, "name": DESTINATION }]);
        clusters.push(spoken(
            port,
            cluster(
                port.name,
                &json!({
                    "load_assignment": assignment, "transport_socket": internal(&metadata),
                }),
            ),
        ));
    }
    let extension = typed(
        "envoy.bootstrap.internal_listener",
        "envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
        json!({}),
    );
    Ok(
        json!({ "bootstrap_extensions": [extension], "static_resources": { "listeners": listeners, "clusters": clusters } }),
    )
}

/// Makes the settings of the one without tunnels.
pub fn plain(bed: &Bed, issuer: &Issuer) -> Value {
    let mut listeners = Vec::new();
    for case in CASES {
        for port in case.ports() {
            listeners.push(json!({
                "name": inner(case, port), "address": socket(&ENVOY.to_string(), case.plain(port)),
                "filter_chains": [{ "filters": [manager(bed, case, port, issuer, false)] }],
            }));
        }
    }
    let clusters = PORTS.iter().map(|port| {
        let to = server(port);
        let assignment = endpoint(port.name, &socket(&to.ip().to_string(), to.port()));
        spoken(port, cluster(port.name, &json!({ "load_assignment": assignment })))
    });
    json!({ "static_resources": { "listeners": listeners, "clusters": clusters.collect::<Vec<_>>() } })
}

fn inner(case: Case, port: &Port) -> String {
    format!("{}-{}", case.name, port.name)
}

fn typed(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = format!("{TYPE}/{kind}").into();
    json!({ "name": name, "typed_config": config })
}

fn socket(address: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": address, "port_value": port } })
}

fn endpoint(cluster: &str, address: &Value) -> Value {
    json!({ "cluster_name": cluster, "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }] })
}

/// Makes a cluster without the limits that Istio lifts too.
fn cluster(name: &str, more: &Value) -> Value {
    let most = u32::MAX;
    let mut cluster = json!({
        "name": name, "connect_timeout": "10s", "type": "STATIC",
        "circuit_breakers": { "thresholds": [{
            "max_connections": most, "max_pending_requests": most, "max_requests": most, "max_retries": most,
        }] },
    });
    more.as_object().into_iter().flatten().for_each(|(key, value)| cluster[key] = value.clone());
    cluster
}

/// Has a cluster speak what is spoken on a port.
fn spoken(port: &Port, mut cluster: Value) -> Value {
    let options = if port.target == 8080 { "http_protocol_options" } else { "http2_protocol_options" };
    cluster["typed_extension_protocol_options"] = http_options(&json!({ options: {} }));
    cluster
}

fn http_options(explicit: &Value) -> Value {
    json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": format!("{TYPE}/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": explicit,
    } })
}

fn internal(metadata: &Value) -> Value {
    let raw = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
    typed(
        "envoy.transport_sockets.internal_upstream",
        "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
        json!({
            "passthrough_metadata": metadata,
            "transport_socket": typed("envoy.transport_sockets.raw_buffer", raw, json!({})),
        }),
    )
}

/// Makes what both sides of TLS have: a certificate, the roots, who the other may be, TLS 1.3.
fn tls(certificates: &Path, peer: &Value) -> Value {
    let file = |name: &str| json!({ "filename": shown(&certificates.join(name)) });
    json!({
        "alpn_protocols": ["h2"],
        "tls_params": { "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3" },
        "tls_certificates": [{ "certificate_chain": file("chain.pem"), "private_key": file("key.pem") }],
        "validation_context": {
            "trusted_ca": file("root.pem"),
            "match_typed_subject_alt_names": [{ "san_type": "URI", "matcher": peer }],
        },
    })
}

/// The listener in which tunnels end.
fn terminate<'p>(certificates: &Path, all: impl Iterator<Item = (Case, &'p Port)>) -> Result<Value, String> {
    let hosts: Vec<Value> = all
        .map(|(case, port)| {
            let connect = json!([{ "upgrade_type": "CONNECT", "connect_config": {} }]);
            json!({
                "name": inner(case, port), "domains": [format!("{}:{}", case.vip(), port.number)],
                "routes": [{ "match": { "connect_matcher": {} }, "route": { "cluster": inner(case, port), "timeout": "0s", "upgrade_configs": connect } }],
            })
        })
        .collect();
    let told = json!({ "on_request_headers": [{
        "object_key": PEER, "factory_key": "envoy.string", "shared_with_upstream": "TRANSITIVE",
        "format_string": { "text_format_source": { "inline_string": "%DOWNSTREAM_PEER_URI_SAN%" } },
    }] });
    let filter = "envoy.extensions.filters.http.set_filter_state.v3.Config";
    let manager = http(
        "terminate",
        json!({
            "codec_type": "HTTP2", "http2_protocol_options": { "allow_connect": true },
            "upgrade_configs": [{ "upgrade_type": "CONNECT" }], "stream_idle_timeout": "0s",
            "route_config": { "name": "terminate", "virtual_hosts": hosts },
            "http_filters": [typed("envoy.filters.http.set_filter_state", filter, told), router()],
        }),
    );
    let context = json!({
        "common_tls_context": tls(certificates, &json!({ "prefix": "spiffe://cluster.local/" })),
        "require_client_certificate": true,
    });
    let kind = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    Ok(json!({
        "name": "terminate", "address": socket(&ENVOY.to_string(), HBONE),
        "filter_chains": [{ "transport_socket": typed("envoy.transport_sockets.tls", kind, context), "filters": [manager] }],
    }))
}

/// The listener in which tunnels to endpoints begin.
fn originate() -> Value {
    let proxy = typed(
        "envoy.filters.network.tcp_proxy",
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        json!({
            "stat_prefix": "originate", "cluster": "tunnels", "tunneling_config": { "hostname": "%DOWNSTREAM_LOCAL_ADDRESS%" },
        }),
    );
    let destination = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst";
    json!({
        "name": "originate", "internal_listener": {}, "filter_chains": [{ "filters": [proxy] }],
        "listener_filters": [typed(DESTINATION, destination, json!({}))],
    })
}

/// The tunnels to endpoints.
fn tunnels(certificates: &Path) -> Result<Value, String> {
    let peer = json!({ "exact": identity("web")?.to_string() });
    let context = json!({ "common_tls_context": tls(certificates, &peer) });
    let kind = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    Ok(cluster(
        "tunnels",
        &json!({
            "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED",
            "original_dst_lb_config": { "upstream_port_override": HBONE },
            "typed_extension_protocol_options": http_options(&json!({ "http2_protocol_options": { "allow_connect": true } })),
            "transport_socket": typed("envoy.transport_sockets.tls", kind, context),
        }),
    ))
}

fn router() -> Value {
    typed("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", json!({}))
}

fn http(name: &str, mut config: Value) -> Value {
    config["stat_prefix"] = name.into();
    let kind = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    typed("envoy.filters.network.http_connection_manager", kind, config)
}

/// What routes the requests of a service.
fn manager(bed: &Bed, case: Case, port: &Port, issuer: &Issuer, tunnelled: bool) -> Value {
    let retry = json!({ "num_retries": 2, "retry_on": "connect-failure,refused-stream,unavailable,cancelled" });
    let action = json!({ "cluster": port.name, "timeout": "0s", "retry_policy": retry });
    let routes: Vec<Value> = case
        .prefixes()
        .into_iter()
        .map(|prefix| {
            let how = if prefix == "/" { "prefix" } else { "path_separated_prefix" };
            json!({ "match": { how: prefix }, "route": action })
        })
        .collect();
    let mut filters = Vec::new();
    if case.token {
        filters.push(tokens(issuer));
    }
    if case.policy {
        filters.push(policy(tunnelled));
    }
    filters.push(router());
    let mut config = json!({
        "codec_type": "AUTO", "normalize_path": true, "stream_idle_timeout": "0s", "http_filters": filters,
        "route_config": { "name": case.name, "virtual_hosts": [{ "name": case.name, "domains": ["*"], "routes": routes }] },
    });
    if case.logged {
        let log = bed.path(if tunnelled { "envoy-access.log" } else { "envoy-plain-access.log" });
        let kind = "envoy.extensions.access_loggers.file.v3.FileAccessLog";
        config["access_log"] = json!([typed(
            "envoy.access_loggers.file",
            kind,
            json!({
                "path": shown(&log), "log_format": { "text_format_source": { "inline_string": LINE } },
            })
        )]);
    }
    http(case.name, config)
}

/// The line of Istio's access log.
const LINE: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

fn tokens(issuer: &Issuer) -> Value {
    typed(
        "envoy.filters.http.jwt_authn",
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        json!({
            "providers": { "bench": { "issuer": issuer.name, "local_jwks": { "inline_string": issuer.keys } } },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "bench" } }],
        }),
    )
}

fn policy(tunnelled: bool) -> Value {
    let peer = format!("spiffe://cluster.local/ns/{}/sa/client", SPACE);
    // Without tunnels nobody has proven who he is.
    let principal = if tunnelled {
        json!({ "filter_state": { "key": PEER, "string_match": { "exact": peer } } })
    } else {
        json!({ "any": true })
    };
    let permission = json!({ "and_rules": { "rules": [
        { "header": { "name": ":method", "string_match": { "exact": "GET" } } },
        { "url_path": { "path": { "prefix": "/1k" } } },
    ] } });
    let policies = json!({ "bench": { "permissions": [permission], "principals": [principal] } });
    typed(
        "envoy.filters.http.rbac",
        "envoy.extensions.filters.http.rbac.v3.RBAC",
        json!({
            "rules": { "action": "ALLOW", "policies": policies },
        }),
    )
}
