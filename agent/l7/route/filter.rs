//! The filters of HTTPRoute and GRPCRoute.

use model::l7::{
    external_auth::{AuthProtocol, ExternalAuth, HttpAuth},
    filter::{Cors, Filter, PathRewrite, Redirect, RedirectPort, Rewrite, Share},
    route::Mirror,
    text::{Pattern, TextMatch},
};
use source::api::{
    http_route::{
        CorsFilter, ExternalAuthFilter, ExternalAuthProtocol, HttpRouteFilter, HttpRouteFilterType, PathModifier,
        PathModifierType, RedirectScheme, RequestRedirect, UrlRewrite,
    },
    route::RequestMirrorFilter,
};

use crate::l7::{
    route::{Faults, Place, backend},
    text::{Headers, header_name},
};

/// The longest that the answer to a preflight holds when the filter does not say (Gateway API, `maxAge`).
const MAX_AGE: u32 = 5;

/// What the filters of a rule come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    /// What is done to requests and answers.
    pub changes: Vec<Filter>,
    /// Who else gets requests.
    pub mirrors: Vec<Mirror>,
    /// Where clients are sent instead.
    pub redirect: Option<Redirect>,
    /// Who may ask from another origin.
    pub cors: Option<Cors>,
    /// Who is asked before.
    pub external_auth: Option<ExternalAuth>,
}

/// Why a filter cannot be applied: then its requests are answered with an error, for it must not be skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The rule is not as it should be.
    Value(String),
    /// A kind that the filter names is not known.
    Kind(String),
    /// Two filters that exclude each other: the whole route is not taken.
    Incompatible(String),
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::Value(message)
    }
}

/// Converts the filters of a rule.
///
/// # Errors
/// One of them cannot be applied.
pub fn http(place: Place<'_>, filters: &[HttpRouteFilter], faults: &Faults) -> Result<Filters, Refusal> {
    let mut out = Filters::default();
    let twice = |what: &str| Refusal::Value(format!("there are two filters of type {what}"));
    let rewrites = filters.iter().any(|f| f.kind == HttpRouteFilterType::UrlRewrite);
    if rewrites && filters.iter().any(|f| f.kind == HttpRouteFilterType::RequestRedirect) {
        return Err(Refusal::Incompatible("URLRewrite and RequestRedirect exclude each other".to_owned()));
    }
    for filter in filters {
        match filter.kind {
            HttpRouteFilterType::RequestHeaderModifier => {
                let headers = told(&filter.request_header_modifier, "requestHeaderModifier")?;
                out.changes.extend(Headers::from(headers).request_filters()?);
            }
            HttpRouteFilterType::ResponseHeaderModifier => {
                let headers = told(&filter.response_header_modifier, "responseHeaderModifier")?;
                out.changes.push(Filter::ResponseHeaders(Headers::from(headers).change()?));
            }
            HttpRouteFilterType::RequestMirror => {
                out.mirrors.push(mirror(place, told(&filter.request_mirror, "requestMirror")?, faults)?);
            }
            HttpRouteFilterType::RequestRedirect => {
                let new = redirect(told(&filter.request_redirect, "requestRedirect")?)?;
                if out.redirect.replace(new).is_some() {
                    return Err(twice("RequestRedirect"));
                }
            }
            HttpRouteFilterType::UrlRewrite => {
                out.changes.push(rewrite(told(&filter.url_rewrite, "urlRewrite")?)?);
            }
            HttpRouteFilterType::Cors => {
                if out.cors.replace(cors(told(&filter.cors, "cors")?)?).is_some() {
                    return Err(twice("CORS"));
                }
            }
            HttpRouteFilterType::ExternalAuth => {
                let new = external_auth(place, told(&filter.external_auth, "externalAuth")?, faults)?;
                if out.external_auth.replace(new).is_some() {
                    return Err(twice("ExternalAuth"));
                }
            }
            HttpRouteFilterType::ExtensionRef => {
                let to = told(&filter.extension_ref, "extensionRef")?;
                return Err(Refusal::Kind(format!(
                    "extensionRef: {}.{} {} is no filter of the mesh",
                    to.kind, to.group, to.name
                )));
            }
        }
    }
    Ok(out)
}

/// Returns what a filter of a type says in the field of that type.
pub(super) fn told<'f, F>(field: &'f Option<F>, name: &str) -> Result<&'f F, Refusal> {
    field.as_ref().ok_or_else(|| Refusal::Value(format!("a filter lacks {name}, which its type asks for")))
}

/// Converts a mirror.
///
/// # Errors
/// Its share is none.
pub(super) fn mirror(place: Place<'_>, filter: &RequestMirrorFilter, faults: &Faults) -> Result<Mirror, Refusal> {
    let share = match (filter.percent, filter.fraction) {
        (None, None) => Share::ALL,
        (Some(percent), None) if percent <= 100 => Share::percent(percent.into()),
        (None, Some(f)) if f.numerator <= f.denominator => Share::fraction(f.numerator.into(), f.denominator.into())
            .ok_or_else(|| "requestMirror.fraction: the denominator is 0".to_owned())?,
        (Some(_), Some(_)) => return Err("requestMirror has both percent and fraction".to_owned().into()),
        _ => return Err("requestMirror copies more than all requests".to_owned().into()),
    };
    Ok(Mirror { target: backend::target(place, &filter.backend_ref, faults), share })
}

fn path(modifier: &PathModifier) -> Result<PathRewrite, String> {
    match (modifier.kind, &modifier.replace_full_path, &modifier.replace_prefix_match) {
        (PathModifierType::ReplaceFullPath, Some(full), None) => Ok(PathRewrite::Full((**full).into())),
        (PathModifierType::ReplacePrefixMatch, None, Some(prefix)) => Ok(PathRewrite::Prefix((**prefix).into())),
        _ => Err("path: the field that its type asks for, and that alone, has to be there".to_owned()),
    }
}

fn redirect(filter: &RequestRedirect) -> Result<Redirect, String> {
    let status = filter.status_code.unwrap_or(302);
    if ![301, 302, 303, 307, 308].contains(&status) {
        return Err(format!("requestRedirect.statusCode: {status} is no redirect; 301, 302, 303, 307 and 308 are"));
    }
    let scheme = filter.scheme.map(|scheme| match scheme {
        RedirectScheme::Http => "http".into(),
        RedirectScheme::Https => "https".into(),
    });
    Ok(Redirect {
        scheme,
        host: filter.hostname.as_deref().map(Into::into),
        port: filter.port.map_or(RedirectPort::Implied, RedirectPort::Number),
        path: filter.path.as_ref().map(path).transpose()?,
        status,
    })
}

fn rewrite(filter: &UrlRewrite) -> Result<Filter, String> {
    let path = filter.path.as_ref().map(path).transpose()?;
    Ok(Filter::Rewrite(Rewrite { authority: filter.hostname.as_deref().map(Into::into), path }))
}

/// Tells whether a filter replaces what the prefix of a match took, which only such matches have.
#[must_use]
pub fn replaces_prefix(filters: &Filters) -> bool {
    let prefix = |path: &Option<PathRewrite>| matches!(path, Some(PathRewrite::Prefix(_)));
    let rewrites = |filter: &Filter| matches!(filter, Filter::Rewrite(r) if prefix(&r.path));
    filters.redirect.as_ref().is_some_and(|r| prefix(&r.path)) || filters.changes.iter().any(rewrites)
}

fn cors(filter: &CorsFilter) -> Result<Cors, String> {
    let names = |list: &[String]| -> Result<_, String> {
        list.iter().map(|name| if name == "*" { Ok("*".into()) } else { header_name(name) }).collect()
    };
    Ok(Cors {
        allow_origins: filter.allow_origins.iter().map(|o| origin(o)).collect::<Result<_, _>>()?,
        allow_methods: filter.allow_methods.iter().map(|m| m.as_str().into()).collect(),
        allow_headers: names(&filter.allow_headers)?,
        expose_headers: names(&filter.expose_headers)?,
        allow_credentials: filter.allow_credentials.unwrap_or_default(),
        max_age: Some(std::time::Duration::from_secs(filter.max_age.unwrap_or(MAX_AGE).into())),
        forward_unmatched: false,
    })
}

/// Converts an origin; a `*` in its host stands for one or more labels (Gateway API, `allowOrigins`).
fn origin(origin: &str) -> Result<TextMatch, String> {
    if origin == "*" {
        return Ok(TextMatch::Present);
    }
    if !origin.contains('*') {
        return Ok(TextMatch::Exact(origin.into()));
    }
    // Of the text itself, none of whose characters means anything in an expression.
    let quoted: String = origin
        .chars()
        .map(|c| match c {
            '*' => "[^/:@]+".to_owned(),
            c if c.is_ascii_alphanumeric() => c.to_string(),
            c => format!("\\{c}"),
        })
        .collect();
    quoted.parse::<Pattern>().map(TextMatch::Regex).map_err(|_| format!("cors.allowOrigins: {origin:?} is no origin"))
}

fn external_auth(place: Place<'_>, filter: &ExternalAuthFilter, faults: &Faults) -> Result<ExternalAuth, String> {
    let names = |list: &[String]| list.iter().map(|name| header_name(name)).collect::<Result<Vec<_>, _>>();
    let protocol = match filter.protocol {
        ExternalAuthProtocol::Grpc => {
            let headers = names(filter.grpc.as_ref().map_or(&[], |g| &g.allowed_headers))?;
            AuthProtocol::Grpc { headers, raw_body: false }
        }
        ExternalAuthProtocol::Http => {
            let http = filter.http.clone().unwrap_or_default();
            let exact = |list: &[String]| -> Result<Vec<TextMatch>, String> {
                Ok(names(list)?.into_iter().map(TextMatch::Exact).collect())
            };
            let taken = exact(&http.allowed_response_headers)?;
            AuthProtocol::Http(HttpAuth {
                path: http.path.unwrap_or_default().into(),
                headers: exact(&http.allowed_headers)?,
                response_headers: (!taken.is_empty()).then_some(taken),
                ..HttpAuth::default()
            })
        }
    };
    // Without a size, or with 0, nothing of the body is told.
    let max_body = filter.forward_body.as_ref().and_then(|b| b.max_size).filter(|size| *size > 0);
    Ok(ExternalAuth {
        target: backend::target(place, &filter.backend_ref, faults),
        protocol,
        max_body,
        whole_body: false,
        timeout: None,
        fail_open: false,
        status_on_error: None,
    })
}
