//! Pages, scripts, styles and the vision folder.

use reqwest::{Method, StatusCode};

use crate::support::{TestServer, assert_problem, raw, raw_status, write};

#[tokio::test]
async fn the_first_page_is_the_list_of_sessions() {
    let server = TestServer::start().await;
    let home = server.get("/").await;
    assert_eq!(home.status(), StatusCode::SEE_OTHER);
    assert_eq!(home.headers()["location"], "/session_list.html");
}

#[tokio::test]
async fn scripts_have_their_type_and_the_strict_policy() {
    let server = TestServer::start().await;
    let script = server.get("/js/posesession.js").await;
    assert_eq!(script.status(), StatusCode::OK);
    let headers = script.headers();
    assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(
        headers["content-security-policy"],
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; \
         media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'"
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["cache-control"], "no-cache");
    assert!(headers["permissions-policy"].to_str().unwrap().starts_with("camera=(self)"));
}

#[tokio::test]
async fn what_the_browser_has_already_is_not_sent_again() {
    let server = TestServer::start().await;
    let tag = server.get("/js/posesession.js").await.headers()["etag"].clone();
    let again = server.request(Method::GET, "/js/posesession.js").header("if-none-match", tag).send().await;
    let again = again.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(again.text().await.unwrap().is_empty());
    let other = server.request(Method::GET, "/js/posesession.js").header("if-none-match", "\"other\"");
    assert_eq!(other.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn only_what_is_meant_for_browsers_is_served() {
    let server = TestServer::start().await;
    for path in [
        "/js/nothing.js",
        "/style/nothing.css",
        "/nothing.html",
        "/package.json",
        "/test/session_api.test.js",
        "/node_modules/typescript/package.json",
        "/js/../package.json",
        "/js/%2e%2e/package.json",
        "/js/..%2fpackage.json",
        "/js//etc/passwd",
        "/js/..%5cpackage.json",
        "/js/.hidden",
        "/js/",
        "/api/nothing",
    ] {
        assert_eq!(raw_status(server.address, path, "").await, 404, "{path}");
    }
    assert_problem(server.get("/nothing").await, 404, "not_found").await;
    let posted = server.request(Method::POST, "/session_list.html").send().await.unwrap();
    assert_problem(posted, 405, "method_not_allowed").await;
}

#[tokio::test]
async fn without_the_vision_folder_the_pages_hear_how_to_get_it() {
    let server = TestServer::start().await;
    let vision = server.json("/api/vision").await;
    let expected = serde_json::json!({"available": false, "models": [], "fetch_command": "make vision"});
    assert_eq!(vision, expected);
}

#[tokio::test]
async fn the_vision_folder_is_served_as_it_is() {
    let server = TestServer::start().await;
    let folder = server.folder.path().join("vision");
    let model: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    write(&folder, "vision_bundle.mjs", b"export {}");
    write(&folder, "wasm/vision_wasm_internal.wasm", b"\0asm");
    write(&folder, "pose_landmarker_lite.task", &model);

    let vision = server.json("/api/vision").await;
    assert_eq!(vision["available"], true);
    assert_eq!(vision["models"], serde_json::json!(["lite"]));
    for (path, content_type) in [
        ("/vision/vision_bundle.mjs", "text/javascript; charset=utf-8"),
        ("/vision/wasm/vision_wasm_internal.wasm", "application/wasm"),
        ("/vision/pose_landmarker_lite.task", "application/octet-stream"),
    ] {
        let file = server.get(path).await;
        assert_eq!(file.status(), StatusCode::OK, "{path}");
        assert_eq!(file.headers()["content-type"], content_type, "{path}");
        assert!(file.headers().contains_key("content-security-policy"), "{path}");
    }
    let served = server.get("/vision/pose_landmarker_lite.task").await;
    assert_eq!(served.content_length(), Some(300_000));
    let tag = served.headers()["etag"].clone();
    assert_eq!(served.bytes().await.unwrap(), model);
    let again = server.request(Method::GET, "/vision/pose_landmarker_lite.task").header("if-none-match", tag);
    assert_eq!(again.send().await.unwrap().status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn nothing_outside_the_vision_folder_can_be_reached() {
    let server = TestServer::start().await;
    let canary = "the canary outside";
    write(server.folder.path(), "canary.js", canary.as_bytes());
    write(&server.folder.path().join("vision"), "wasm/real.js", b"inside");
    write(&server.folder.path().join("vision"), "notes.txt", canary.as_bytes());
    #[cfg(unix)]
    std::os::unix::fs::symlink("../../canary.js", server.folder.path().join("vision/wasm/link.js")).unwrap();
    assert_eq!(raw_status(server.address, "/vision/wasm/real.js", "").await, 200);
    for path in [
        "/vision/../canary.js",
        "/vision/wasm/../../canary.js",
        "/vision/%2e%2e/canary.js",
        "/vision/wasm/%2e%2e/%2e%2e/canary.js",
        "/vision/wasm/..%2f..%2fcanary.js",
        "/vision/wasm/..%5c..%5ccanary.js",
        "/vision/wasm/%252e%252e/canary.js",
        "/vision/wasm/....//canary.js",
        "/vision/wasm/link.js",
        "/vision/wasm/real.js%00",
        "/vision/wasm/real.js/",
        "/vision/wasm/.",
        "/vision/wasm//real.js",
        "/vision//wasm/real.js",
        "/vision/wasm/%2fetc%2fpasswd.js",
        "/vision/C:/canary.js",
        "/vision/notes.txt",
        "/vision/wasm",
        "/vision/",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
        let answer = raw(server.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(!answer.contains(canary), "{path}");
    }
}
