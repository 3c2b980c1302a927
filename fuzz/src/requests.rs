//! What stands in an HTTP request: query parameters, then, in a line of its own, a `Range`.

use axum::http::Request;
use futures::FutureExt as _;
use posesession_core::{SessionStatus, Timestamp};
use posesession_store::FrameFormat;

use crate::heap::bounded;
use crate::parameters::Params;
use crate::range::{Wanted, wanted};

/// Reads query parameters and a range as the server does.
pub fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (query, range) = text.split_once('\n').unwrap_or((text, ""));
    check_range(range);
    let Ok(request) = Request::builder().uri(format!("/api/sessions?{query}")).body(()) else { return };
    let (mut parts, ()) = request.into_parts();
    bounded(text.len(), 200, || {
        let read = <Params as axum::extract::FromRequestParts<()>>::from_request_parts(&mut parts, &());
        let Some(Ok(params)) = read.now_or_never() else { panic!("reading them waits for nothing") };
        let names = ["from", "to", "limit", "search", "status", "sort", "before", "format", "fps"];
        let Ok(known) = params.only(&names) else { return };
        for name in ["from", "to", "limit"] {
            let _number = known.parse::<u64>(name);
        }
        let _status = known.parse::<SessionStatus>("status");
        let _format = known.parse::<FrameFormat>("format");
        let _fps = known.parse::<f64>("fps").map(|fps| fps.map(Timestamp::from_secs_f64));
        let _sort = known.word("sort", &["newest", "oldest", "name"]);
        let _search = known.text("search");
    });
}

fn check_range(header: &str) {
    for length in [0, 1, 100, u64::MAX] {
        if let Wanted::Part(range) = bounded(header.len(), 1, || wanted(Some(header), length)) {
            assert!(range.start < range.end && range.end <= length, "{range:?} of {length}");
        }
    }
}
