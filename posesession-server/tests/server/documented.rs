//! `docs/http-api.md` is true: every example is sent, and answered in the shape that is shown.

use posesession_core::{Batch, Chunk, PoseData, SessionStatus, Skeleton, Timestamp, Unit};
use posesession_store::NewSession;
use reqwest::Method;
use serde_json::Value;

use crate::support::TestServer;

const DOCUMENT: &str = include_str!("../../../docs/http-api.md");
const DOCUMENTED_SESSION: &str = "0190a5e4-7c3a-7000-8000-3f2b1c9d4e5f";

/// An example: what is sent, and the JSON that is shown as its answer, if any.
struct Example {
    curl: String,
    answer: Option<Value>,
}

fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut blocks = DOCUMENT.split("```");
    blocks.next();
    while let (Some(block), _) = (blocks.next(), blocks.next()) {
        let (language, text) = block.split_once('\n').unwrap();
        match language {
            "sh" => examples.push(Example { curl: text.replace("\\\n", " "), answer: None }),
            "json" => examples.last_mut().unwrap().answer = Some(serde_json::from_str(text).unwrap()),
            _ => {}
        }
    }
    examples
}

/// Splits a command at spaces outside quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in command.chars() {
        match c {
            '\'' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn left_leg() -> Skeleton {
    let mut skeleton = Skeleton::custom(3, &[("x", Unit::Image), ("y", Unit::Image)]).unwrap();
    skeleton.name = "left_leg".to_owned();
    skeleton.components[0].keypoints = ["left_hip", "left_knee", "left_ankle"].map(str::to_owned).to_vec();
    skeleton.components[0].edges = vec![(0, 1), (1, 2)];
    skeleton
}

async fn documented_session(server: &TestServer) {
    let skeleton = left_leg();
    let id = DOCUMENTED_SESSION.parse().unwrap();
    let metadata = serde_json::from_str(r#"{"athlete": "Ada"}"#).unwrap();
    let new = NewSession { id, metadata, skeleton: Some(skeleton.clone()), ..NewSession::named("Squat") };
    server.store.create_session(new).await.unwrap();
    let term = server.store.begin_term(id).await.unwrap();
    let mut chunk = Chunk::new(0, skeleton.layout());
    for number in 0..90_i16 {
        let bend = f32::from(number) / 300.0;
        let pose = PoseData::one_person(vec![0.5, 0.2, 0.5 + bend, 0.5, 0.5, 0.8]);
        chunk.push(Timestamp::from_secs_f64(f64::from(number) / 30.0).unwrap(), &pose).unwrap();
    }
    server.store.append(id, term, &Batch { chunk: Some(chunk), ..Batch::default() }).await.unwrap();
    server.store.finish(id, term, SessionStatus::Completed).await.unwrap();
}

/// Checks that two values have the same keys and types, down to the last.
fn assert_same_shape(shown: &Value, answered: &Value, place: &str) {
    match (shown, answered) {
        (Value::Object(shown), Value::Object(answered)) => {
            let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            let (mut left, mut right) = (keys(shown), keys(answered));
            left.sort();
            right.sort();
            assert_eq!(left, right, "{place}");
            for (key, value) in shown {
                assert_same_shape(value, &answered[key], &format!("{place}.{key}"));
            }
        }
        (Value::Array(shown), Value::Array(answered)) => {
            assert_eq!(shown.len(), answered.len(), "{place}");
            for (index, (shown, answered)) in shown.iter().zip(answered).enumerate() {
                assert_same_shape(shown, answered, &format!("{place}[{index}]"));
            }
        }
        (shown, answered) => {
            let kind = std::mem::discriminant(shown) == std::mem::discriminant(answered);
            assert!(kind, "{place}: {shown} is shown, {answered} is answered");
        }
    }
}

#[tokio::test]
async fn every_example_is_answered_as_shown() {
    let server = TestServer::start().await;
    documented_session(&server).await;
    server.recorded("Squat, another one", 5).await;
    let examples = examples();
    assert!(examples.len() > 10, "the examples are found");
    for Example { curl, answer } in examples {
        let words = words(&curl);
        assert_eq!(words[0], "curl");
        let after = |flag: &str| words.iter().skip_while(|word| *word != flag).nth(1);
        let url = words.iter().find(|word| word.starts_with("http://")).unwrap();
        let path = url.strip_prefix("http://127.0.0.1:8787").unwrap();
        let method = after("-X").map_or(Method::GET, |method| method.parse().unwrap());
        let mut request = server.request(method, path);
        if let Some((name, value)) = after("-H").and_then(|header| header.split_once(": ")) {
            request = request.header(name, value);
        }
        if let Some(body) = after("-d") {
            request = request.body(body.clone());
        }
        let response = request.send().await.unwrap();
        let expected = answer.as_ref().and_then(|answer| answer["status"].as_u64());
        match expected {
            Some(status) => assert_eq!(u64::from(response.status().as_u16()), status, "{curl}"),
            // The documented session has no video: that it has none is the only thing that may go wrong.
            None if path.ends_with("/video") => assert_eq!(response.status(), 404, "{curl}"),
            None => assert!(response.status().is_success(), "{curl}: {}", response.status()),
        }
        let Some(shown) = answer else { continue };
        assert_same_shape(&shown, &response.json().await.unwrap(), path);
    }
}

#[test]
fn every_code_is_listed() {
    let sources = [
        include_str!("../../src/error.rs"),
        include_str!("../../src/body.rs"),
        include_str!("../../src/guard.rs"),
        include_str!("../../src/connection.rs"),
        include_str!("../../src/routes.rs"),
        include_str!("../../src/routes/media.rs"),
        include_str!("../../src/routes/sockets.rs"),
    ];
    let is_code = |text: &&str| {
        text.len() > 3 && text.contains('_') && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let statuses = sources.iter().flat_map(|source| source.split("StatusCode::").skip(1));
    let mut found = 0;
    for call in statuses {
        let near: String = call.chars().take(120).collect();
        let Some(code) = near.split('"').nth(1) else { continue };
        if is_code(&code) {
            found += 1;
            assert!(DOCUMENT.contains(&format!("`{code}`")), "docs/http-api.md lacks {code}");
        }
    }
    assert!(found > 10, "the codes are found: {found}");
}
