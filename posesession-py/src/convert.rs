//! Values between Python and the library. Facts pass as JSON, so that they have the same names and shapes everywhere.

use posesession_core::{SessionId, Skeleton, Timestamp};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::errors::{self, bad_argument};

/// Returns a value as Python has it: dicts, lists, texts, numbers.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let text = serde_json::to_string(value).map_err(errors::broken)?;
    LOADS.import(py, "json", "loads")?.call1((text,))
}

/// Reads a dict of what JSON can say.
///
/// # Errors
///
/// What Python's `json` raises, and `BadArgumentError` for numbers that JSON has no word for.
pub(crate) fn to_json(value: &Bound<'_, PyDict>) -> PyResult<Map<String, Value>> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let text = DUMPS.import(value.py(), "json", "dumps")?.call1((value,))?;
    let text: String = text.extract()?;
    serde_json::from_str(&text).map_err(|error| bad_argument(format!("this can't be kept as JSON: {error}")))
}

/// Reads a session's id.
pub(crate) fn session_id(text: &str) -> PyResult<SessionId> {
    text.parse()
        .map_err(|_no_id| errors::SessionNotFoundError::new_err(format!("there is no session `{text}`")))
}

/// Reads seconds.
pub(crate) fn timestamp(secs: f64) -> PyResult<Timestamp> {
    Timestamp::from_secs_f64(secs).map_err(bad_argument)
}

/// Reads a skeleton: a preset's name, or a dict.
pub(crate) fn skeleton(given: &Bound<'_, PyAny>) -> PyResult<Skeleton> {
    if let Ok(name) = given.cast::<PyString>() {
        return Skeleton::preset(&name.to_cow()?).map_err(bad_argument);
    }
    let dict = given.cast::<PyDict>().map_err(|_other| {
        bad_argument("a skeleton is a preset's name or a dict with `name` and `components`")
    })?;
    let skeleton: Skeleton = serde_json::from_value(Value::Object(to_json(dict)?))
        .map_err(|error| bad_argument(format!("this is no skeleton: {error}")))?;
    skeleton.validate().map_err(bad_argument)?;
    Ok(skeleton)
}
