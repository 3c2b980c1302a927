//! What the pages of allowed other sites are told, so that their browsers let them read the answers (CORS).

use std::time::Duration;

use axum::http::{Method, header};
use tower_http::cors::CorsLayer;

use crate::origin::Origin;

/// For how long a browser may remember what a preflight allowed.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

/// Makes the layer that answers preflights and marks answers for these origins, or nothing if there is none.
///
/// Every answer then has `Vary: Origin`, a refusal by the guard too: what a cache keeps for one site is not shown to another.
/// Credentials are never allowed.
pub(crate) fn layer(origins: &[Origin]) -> Option<CorsLayer> {
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(origins.iter().map(Origin::header).collect::<Vec<_>>())
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE])
            .allow_headers([header::CONTENT_TYPE, header::IF_NONE_MATCH, header::IF_RANGE, header::RANGE])
            .expose_headers([
                header::ACCEPT_RANGES,
                header::CONTENT_DISPOSITION,
                header::CONTENT_LENGTH,
                header::CONTENT_RANGE,
                header::ETAG,
            ])
            .vary([header::ORIGIN])
            .max_age(PREFLIGHT_MAX_AGE)
    })
}
