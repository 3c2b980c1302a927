//! A store of sessions, as Python has it.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::Utc;
use futures::TryStreamExt as _;
use posesession_core::{ChunkQuery, SessionId, SessionStatus, Timestamp};
use posesession_store::{MediaStore, SessionChange, SessionQuery, SessionSort, SessionStore, StoreError};
use posesession_ws::protocol::WireFormat;
use posesession_ws::{RecordClient, ReplayClient, ReplayRequest, in_process};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict};

use crate::arrays::{self, NativeArrays};
use crate::arrow;
use crate::convert::{session_id, timestamp, to_json, to_python};
use crate::errors::{self, bad_argument};
use crate::place::{self, Place};
use crate::record::{AskedEncoding, NativeRecording, Start};
use crate::replay::{Begin, NativeReplay};
use crate::runtime::{Owner, runtime, wait};
use crate::transfer::{self, FileFormat};

/// How many messages may be on their way between a recording or replay and the loop that serves it.
const QUEUE: usize = 8;

/// An open store.
#[pyclass(frozen, module = "posesession._native")]
#[derive(Debug)]
pub(crate) struct NativeStore {
    #[pyo3(get)]
    place: String,
    is_durable: bool,
    owner: Owner,
    open: Mutex<Option<Arc<Place>>>,
}

impl NativeStore {
    /// Returns the place, if it is open and of this process.
    fn open_place(&self) -> PyResult<Arc<Place>> {
        self.owner.check("store")?;
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| errors::closed("store"))
    }

    fn store(&self) -> PyResult<Arc<dyn SessionStore>> {
        Ok(Arc::clone(self.open_place()?.store()))
    }
}

#[pymethods]
impl NativeStore {
    #[staticmethod]
    #[pyo3(signature = (place, media=None))]
    fn open(py: Python<'_>, place: String, media: Option<&str>) -> PyResult<Self> {
        let opened = wait(py, Place::open(place::named(&place, media)?))??;
        let is_durable = opened.store().is_durable();
        let open = Mutex::new(Some(Arc::new(opened)));
        Ok(Self { place, is_durable, owner: Owner::this_process(), open })
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        match open {
            // What a forked child has is its parent's: it lets go of it without touching the file.
            Some(place) if self.owner.check("store").is_err() => std::mem::forget(place),
            Some(place) => wait(py, async move { place.close().await })?.map_err(errors::client)?,
            None => {}
        }
        Ok(())
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    #[getter]
    fn is_durable(&self) -> bool {
        self.is_durable
    }

    #[pyo3(signature = (*, search=None, name=None, status=None, sort="created_at", descending=true, limit=50, cursor=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn list_sessions<'py>(
        &self,
        py: Python<'py>,
        search: Option<String>,
        name: Option<String>,
        status: Option<&str>,
        sort: &str,
        descending: bool,
        limit: usize,
        cursor: Option<String>,
    ) -> PyResult<(Bound<'py, PyAny>, Option<String>)> {
        let status = status.map(str::parse::<SessionStatus>).transpose().map_err(bad_argument)?;
        let query = SessionQuery {
            search: words_of(search, name.as_deref()),
            status,
            sort: sort_by(sort)?,
            descending,
            limit,
            cursor,
            ..SessionQuery::default()
        };
        let store = self.store()?;
        let mut page = wait(py, async { store.list_sessions(&query).await })?.map_err(errors::store)?;
        if let Some(name) = &name {
            page.sessions.retain(|session| session.name == *name);
        }
        Ok((to_python(py, &page.sessions)?, page.next))
    }

    fn read_session<'py>(&self, py: Python<'py>, id: &str) -> PyResult<Bound<'py, PyAny>> {
        let (store, id) = (self.store()?, session_id(id)?);
        let session = wait(py, store.read_session(id))?.map_err(errors::store)?;
        to_python(py, &session)
    }

    #[pyo3(signature = (id, *, name=None, description=None, metadata=None))]
    fn update_session<'py>(
        &self,
        py: Python<'py>,
        id: &str,
        name: Option<String>,
        description: Option<String>,
        metadata: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (store, id) = (self.store()?, session_id(id)?);
        let metadata = metadata.map(to_json).transpose()?;
        let change = SessionChange { name, description, metadata, ..SessionChange::default() };
        let session = wait(py, store.update_session(id, change))?.map_err(errors::store)?;
        to_python(py, &session)
    }

    #[pyo3(signature = (id, *, erase=false))]
    fn delete_session(&self, py: Python<'_>, id: &str, erase: bool) -> PyResult<()> {
        let (place, id) = (self.open_place()?, session_id(id)?);
        if !erase {
            wait(py, place.store().delete_session(id, Utc::now()))?.map_err(errors::store)?;
            place.replays.session_changed(id);
            return Ok(());
        }
        wait(py, async {
            place.store().erase_session(id).await.map_err(errors::store)?;
            place.replays.session_changed(id);
            match place.media() {
                Some(media) => media.delete_session(id).await.map_err(errors::media),
                None => Ok(()),
            }
        })?
    }

    fn restore_session<'py>(&self, py: Python<'py>, id: &str) -> PyResult<Bound<'py, PyAny>> {
        let (store, id) = (self.store()?, session_id(id)?);
        let session = wait(py, store.restore_session(id))?.map_err(errors::store)?;
        to_python(py, &session)
    }

    fn markers<'py>(&self, py: Python<'py>, id: &str) -> PyResult<Bound<'py, PyAny>> {
        let (store, id) = (self.store()?, session_id(id)?);
        let markers = wait(py, store.markers(id))?.map_err(errors::store)?;
        to_python(py, &markers)
    }

    #[pyo3(signature = (id, timestamp, mode="before"))]
    fn frame_at(&self, py: Python<'_>, id: &str, timestamp: f64, mode: &str) -> PyResult<u64> {
        let (store, id) = (self.store()?, session_id(id)?);
        let timestamp = self::timestamp(timestamp)?;
        let mode = match mode {
            "before" => Side::Before,
            "nearest" => Side::Nearest,
            "after" => Side::After,
            _ => return Err(bad_argument(format!("`{mode}` is no mode: use before, nearest or after"))),
        };
        wait(py, find_frame(&*store, id, timestamp, mode))?.map_err(errors::store)
    }

    #[pyo3(signature = (id, component=None, first=0, end=None))]
    fn read_arrays(
        &self,
        py: Python<'_>,
        id: &str,
        component: Option<usize>,
        first: u64,
        end: Option<u64>,
    ) -> PyResult<NativeArrays> {
        arrays::read(py, &self.store()?, session_id(id)?, component, first..end.unwrap_or(u64::MAX))
    }

    #[pyo3(signature = (name, *, skeleton=None, description="", metadata=None, fps=None, max_error=None, codec=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn record(
        &self,
        py: Python<'_>,
        name: String,
        skeleton: Option<&Bound<'_, PyAny>>,
        description: &str,
        metadata: Option<&Bound<'_, PyDict>>,
        fps: Option<f64>,
        max_error: Option<&Bound<'_, PyDict>>,
        codec: Option<String>,
    ) -> PyResult<NativeRecording> {
        let place = self.open_place()?;
        let encoding = AskedEncoding::new(max_error, codec)?;
        let start = Start::new(name, skeleton, description, metadata, fps, encoding)?;
        let (server_end, client_end) = in_process(QUEUE);
        let recordings = place.recordings.clone();
        // What the recording has to say, the client's end hears.
        runtime()?.spawn(async move { recordings.serve(server_end).await });
        let connected = RecordClient::over(client_end);
        wait(py, NativeRecording::begin(connected, start, Some(place)))?
    }

    #[pyo3(signature = (id, *, rate=1.0, start=None, end=None, r#loop="none", autoplay=true))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn replay(
        &self,
        py: Python<'_>,
        id: &str,
        rate: f64,
        start: Option<f64>,
        end: Option<f64>,
        r#loop: &str,
        autoplay: bool,
    ) -> PyResult<NativeReplay> {
        let (place, id) = (self.open_place()?, session_id(id)?);
        let begin = Begin::new(rate, start, end, r#loop, autoplay)?;
        let (server_end, client_end) = in_process(QUEUE);
        let replays = place.replays.clone();
        let request = ReplayRequest { autoplay: false, format: WireFormat::Binary };
        runtime()?.spawn(async move { replays.serve(id, request, server_end).await });
        wait(py, NativeReplay::begin(ReplayClient::over(client_end), begin))?
    }

    fn read_image<'py>(
        &self,
        py: Python<'py>,
        id: &str,
        frame_number: u64,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (place, id) = (self.open_place()?, session_id(id)?);
        let image = wait(py, async {
            // Images are read one after the other, and those of many frames are found in one chunk. It may be kept longer than
            // the session is there.
            place.store().read_session(id).await.map_err(errors::store)?;
            let chunk = place.replays.chunks().covering_chunk(id, ChunkQuery::Frame(frame_number)).await;
            let frame = chunk.map_err(errors::store)?.frame(frame_number);
            match frame.and_then(|frame| frame.image).zip(place.media()) {
                Some((image, media)) => media.read_image(id, &image).await.map(Some).map_err(errors::media),
                None => Ok(None),
            }
        })??;
        Ok(image.map(|image| PyBytes::new(py, &image)))
    }

    fn read_video<'py>(&self, py: Python<'py>, id: &str) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (place, id) = (self.open_place()?, session_id(id)?);
        let video = wait(py, async {
            let session = place.store().read_session(id).await.map_err(errors::store)?;
            match session.video_file_path.zip(place.media()) {
                Some((path, media)) => read_video(media, &path).await.map(Some),
                None => Ok(None),
            }
        })??;
        Ok(video.map(|video| PyBytes::new(py, &video)))
    }

    #[pyo3(signature = (id, first=0, end=None))]
    fn arrow_stream<'py>(
        &self,
        py: Python<'py>,
        id: &str,
        first: u64,
        end: Option<u64>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::stream(py, self.store()?, session_id(id)?, first..end.unwrap_or(u64::MAX))
    }

    #[pyo3(signature = (id, path, format, progress=None))]
    fn export_session(
        &self,
        py: Python<'_>,
        id: &str,
        path: &str,
        format: &str,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let place = self.open_place()?;
        transfer::export(py, &place, session_id(id)?, path, FileFormat::named(format)?, progress)
    }

    #[pyo3(signature = (path, format=None, name=None, fps=None, progress=None))]
    fn import_file<'py>(
        &self,
        py: Python<'py>,
        path: &str,
        format: Option<&str>,
        name: Option<String>,
        fps: Option<f64>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let place = self.open_place()?;
        let format = match format {
            Some(format) => FileFormat::named(format)?,
            None => FileFormat::of_file(path)?,
        };
        let session = transfer::import(py, path, format, (name.clone(), fps), &place, progress)?;
        let name = name.filter(|name| *name != session.name);
        let renamed = SessionChange { name, ..SessionChange::default() };
        if renamed == SessionChange::default() {
            return to_python(py, &session);
        }
        let session = wait(py, place.store().update_session(session.id, renamed))?.map_err(errors::store)?;
        to_python(py, &session)
    }

    #[pyo3(signature = (path, progress=None))]
    fn backup(&self, py: Python<'_>, path: &str, progress: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let place = self.open_place()?;
        // SQLite doesn't tell how far it is.
        if let Some(progress) = progress {
            progress.call1((0, 0))?;
        }
        wait(py, place.back_up(path))?
    }

    #[pyo3(signature = (id, to, progress=None))]
    fn copy_session<'py>(
        &self,
        py: Python<'py>,
        id: &str,
        to: &Self,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (from, to) = (self.open_place()?, to.open_place()?);
        to_python(py, &transfer::copy(py, &from, session_id(id)?, &to, progress)?)
    }
}

/// Joins the words that are searched for with those of a name: what has the name has all of them.
fn words_of(search: Option<String>, name: Option<&str>) -> Option<String> {
    let words = search.iter().flat_map(|search| search.split_whitespace());
    let words = words.chain(name.into_iter().flat_map(str::split_whitespace));
    // More words than a store takes are no better at telling sessions apart.
    let words: Vec<&str> = words.take(SessionQuery::MAX_WORDS).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn sort_by(sort: &str) -> PyResult<SessionSort> {
    match sort {
        "created_at" => Ok(SessionSort::CreatedAt),
        "name" => Ok(SessionSort::Name),
        "duration" => Ok(SessionSort::Duration),
        "frame_count" => Ok(SessionSort::FrameCount),
        _ => Err(bad_argument(format!(
            "sessions can't be sorted by `{sort}`: use created_at, name, duration or frame_count"
        ))),
    }
}

/// On which side of a moment a frame is looked for.
#[derive(Debug, Clone, Copy)]
enum Side {
    Before,
    Nearest,
    After,
}

async fn find_frame(
    store: &dyn SessionStore,
    id: SessionId,
    moment: Timestamp,
    side: Side,
) -> Result<u64, StoreError> {
    let chunk = store.covering_chunk(id, ChunkQuery::Time(moment)).await?.chunk;
    let Some(before) = chunk.frame_at(moment) else { return Ok(0) };
    let time_of = |chunk: &posesession_core::Chunk, n| chunk.frame(n).map(|frame| frame.timestamp);
    let Some(earlier) = time_of(&chunk, before) else { return Ok(before) };
    if matches!(side, Side::Before) || earlier == moment {
        return Ok(before);
    }
    let after = before + 1;
    if matches!(side, Side::After) {
        return Ok(after);
    }
    let later = match time_of(&chunk, after) {
        Some(later) => Some(later),
        None => match store.covering_chunk(id, ChunkQuery::Frame(after)).await {
            Ok(stored) => time_of(&stored.chunk, after),
            Err(StoreError::NoSuchFrame { .. }) => None,
            Err(error) => return Err(error),
        },
    };
    let is_nearer = |later: Timestamp| later.micros_since(moment) < moment.micros_since(earlier);
    Ok(if later.is_some_and(is_nearer) { after } else { before })
}

async fn read_video(media: &MediaStore, path: &str) -> PyResult<Vec<u8>> {
    let length = media.video_len(path).await.map_err(errors::media)?;
    let mut pieces = media.read_video_range(path, 0..length).await.map_err(errors::media)?;
    let mut video = Vec::new();
    let bytes = usize::try_from(length).map_err(|_too_long| errors::out_of_memory(length.into()))?;
    video.try_reserve_exact(bytes).map_err(|_full| errors::out_of_memory(length.into()))?;
    while let Some(piece) = pieces.try_next().await.map_err(errors::media)? {
        video.extend_from_slice(&piece);
    }
    Ok(video)
}
