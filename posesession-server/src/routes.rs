//! Which path is answered by what.

mod health;
mod sessions;
mod frames;
mod angles;
mod media;
mod transfer;
mod sockets;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{MethodRouter, get, post};
use tower::util::option_layer;

use crate::assets;
use crate::cross_origin;
use crate::error::ApiError;
use crate::guard;
use crate::openapi;
use crate::state::AppState;
use crate::vision;

/// Answers every request of one server.
pub(crate) fn router(state: Arc<AppState>) -> Router {
    let mut router = Router::new();
    for Route { path, handlers, .. } in api() {
        router = router.route(path, handlers);
    }
    router
        .route("/", get(assets::home))
        .route("/{page}", get(assets::page))
        .route("/js/{*path}", get(assets::script))
        .route("/style/{*path}", get(assets::style))
        .route("/vision/{*path}", get(vision::file))
        .merge(echo())
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .layer(option_layer(cross_origin::layer(&state.config.allowed_origins)))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), guard::guard))
        .with_state(state)
}

/// What `scripts/test_autobahn.sh` talks to; nothing in a server that people run.
fn echo() -> Router<Arc<AppState>> {
    #[cfg(feature = "echo")]
    return Router::new().route("/ws/echo", get(sockets::echo));
    #[cfg(not(feature = "echo"))]
    Router::new()
}

/// One path of the API.
pub(crate) struct Route {
    pub(crate) path: &'static str,
    /// The methods that the path takes, as `/api/openapi.json` lists them.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "axum keeps its own list; the tests need one to compare")
    )]
    pub(crate) methods: &'static [&'static str],
    pub(crate) handlers: MethodRouter<Arc<AppState>>,
}

impl Route {
    fn new(
        path: &'static str,
        methods: &'static [&'static str],
        handlers: MethodRouter<Arc<AppState>>,
    ) -> Self {
        Self { path, methods, handlers }
    }
}

/// The paths of the API.
pub(crate) fn api() -> Vec<Route> {
    vec![
        Route::new("/healthz", &["get"], get(health::healthz)),
        Route::new("/metrics", &["get"], get(health::metrics)),
        Route::new("/api/openapi.json", &["get"], get(openapi::document)),
        Route::new("/api/sessions", &["get", "post"], get(sessions::list).post(transfer::import)),
        Route::new(
            "/api/sessions/{id}",
            &["delete", "get", "patch"],
            get(sessions::read).patch(sessions::change).delete(sessions::delete),
        ),
        Route::new("/api/sessions/{id}/restore", &["post"], post(sessions::restore)),
        Route::new("/api/sessions/{id}/frames", &["get"], get(frames::page)),
        Route::new("/api/sessions/{id}/frames/{n}/image", &["get"], get(media::image)),
        Route::new("/api/sessions/{id}/angles", &["get"], get(angles::plot)),
        Route::new("/api/sessions/{id}/video", &["get"], get(media::video)),
        Route::new("/api/sessions/{id}/export", &["get"], get(transfer::export)),
        Route::new("/api/streams", &["get"], get(sockets::streams)),
        Route::new("/api/vision", &["get"], get(vision::describe)),
        Route::new("/ws/pose", &["get"], get(sockets::pose)),
        Route::new("/ws/replay/{id}", &["get"], get(sockets::replay)),
    ]
}

async fn nothing(request: Request) -> ApiError {
    ApiError::not_found(request.uri().path())
}

async fn wrong_method(request: Request) -> ApiError {
    let detail = format!("{} does not take {}", request.uri().path(), request.method());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
