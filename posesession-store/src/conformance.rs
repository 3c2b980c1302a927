//! What every session store promises, as tests that any implementation can run.
//!
//! [`session_store_conformance!`](crate::session_store_conformance) makes one named test of each promise:
//!
//! ```no_run
//! # use posesession_store::MemoryStore;
//! posesession_store::session_store_conformance!(MemoryStore::new());
//! ```
//!
//! The expression is evaluated anew for each test, in an async context, and gives an empty store; or a pair of a store
//! and a value that is dropped after it, such as the temporary folder it lives in:
//!
//! ```no_run
//! # use posesession_store::MemoryStore as MyStore;
//! posesession_store::session_store_conformance!({
//!     let folder = tempfile::tempdir().unwrap();
//!     // MyStore::open(folder.path()).await.unwrap()
//!     (MyStore::new(), folder)
//! });
//! ```
//!
//! What a store must survive (the death of its process, a power loss) is for the store's own tests: this suite never
//! opens a store twice.

#[doc(hidden)]
pub mod chunks;
#[doc(hidden)]
pub mod publishers;
#[doc(hidden)]
pub mod encoded;
#[doc(hidden)]
pub mod compaction;
#[doc(hidden)]
pub mod encoding;
#[doc(hidden)]
pub mod recoding;
#[doc(hidden)]
pub mod concurrency;
#[doc(hidden)]
pub mod listing;
#[doc(hidden)]
pub mod sessions;
#[doc(hidden)]
pub mod users;
mod recording;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::store::SessionStore;

/// Makes one named `#[test]` of each promise of [`SessionStore`], run on the store that the expression opens.
///
/// See [`conformance`](crate::conformance).
#[macro_export]
macro_rules! session_store_conformance {
    ($open:expr $(,)?) => {
        $crate::session_store_promises! { tests $open }
    };
}

/// Runs all promises of [`SessionStore`] on stores that the expression opens, and gives a `Vec<(&str, bool)>`: the name
/// of each promise and whether it was kept. What broke is printed by the panics.
///
/// # Examples
///
/// ```
/// use posesession_store::{MemoryStore, check_session_store};
///
/// let report = check_session_store!(MemoryStore::new());
/// assert!(report.iter().all(|(_, kept)| *kept));
/// ```
#[macro_export]
macro_rules! check_session_store {
    ($open:expr $(,)?) => {
        $crate::session_store_promises! { report $open }
    };
}

/// The one list of all promises.
#[doc(hidden)]
#[macro_export]
macro_rules! session_store_promises {
    (tests $open:expr) => { $crate::session_store_promises! { @list make_tests $open } };
    (report $open:expr) => { $crate::session_store_promises! { @list make_report $open } };
    (names) => { $crate::session_store_promises! { @list make_names () } };
    (@list $make:ident $open:expr) => {
        $crate::session_store_promises! { @$make $open;
            sessions {
                a_new_session_is_recording_and_empty,
                a_session_is_read_back_as_created,
                odd_texts_are_read_back_as_they_were,
                created_at_is_kept_to_the_microsecond,
                a_second_session_of_the_same_id_is_refused,
                a_session_of_an_unknown_user_is_refused,
                texts_up_to_the_limit_are_kept_and_longer_ones_refused,
                metadata_too_deep_to_be_read_back_is_refused,
                an_invalid_skeleton_is_refused,
                an_unknown_session_is_not_found_by_any_method,
                a_change_changes_only_what_it_names,
                metadata_that_was_read_before_a_video_was_noted_does_not_undo_it,
                a_refused_change_changes_nothing,
                a_deleted_session_is_hidden_from_every_method,
                a_restored_session_is_as_before,
                an_erased_session_is_gone_for_good,
                deleted_sessions_are_listed_oldest_first,
                session_keys_are_stable_and_never_given_twice,
                live_sessions_are_interrupted_once,
                a_finished_session_takes_no_more_frames,
                a_session_is_not_finished_with_a_live_status,
            }
            chunks {
                appended_frames_are_read_back_bit_for_bit,
                frame_count_duration_and_bytes_follow_the_appends,
                frames_that_leave_a_hole_are_refused,
                partly_stored_frames_are_refused,
                the_same_frames_again_change_nothing,
                the_same_frames_cut_otherwise_change_nothing,
                other_frames_of_the_same_numbers_are_a_conflict,
                timestamps_that_do_not_increase_are_refused,
                a_batch_without_frames_adds_its_other_parts,
                a_refused_batch_leaves_nothing_behind,
                equal_markers_are_stored_once,
                markers_are_sorted_by_time,
                settled_through_is_that_of_the_last_append_that_had_one,
                the_skeleton_comes_with_the_first_batch_that_has_one,
                another_skeleton_is_refused,
                frames_that_do_not_fit_the_skeleton_are_refused,
                the_covering_chunk_is_found_by_frame,
                the_covering_chunk_is_found_by_time,
                a_session_without_frames_has_no_chunk,
                the_index_covers_every_frame_in_order,
                long_chunks_are_kept_as_they_come,
            }
            publishers {
                the_same_publisher_goes_on_where_it_was,
                another_publisher_starts_anew,
                only_the_writer_sets_the_publisher,
            }
            encoded {
                an_encoded_chunk_is_read_back_byte_by_byte,
                a_chunk_read_encoded_decodes_to_the_covering_chunk,
                encoded_frames_and_others_alternate,
                the_same_encoded_chunk_again_changes_nothing,
                an_encoded_chunk_of_other_frames_is_a_conflict,
                an_encoded_chunk_must_come_next,
                an_encoded_chunk_of_an_older_term_is_fenced_off,
                a_run_of_encoded_chunks_is_appended_wholly_or_not_at_all,
                an_encoded_chunk_that_does_not_fit_the_skeleton_is_refused,
                a_compressed_chunk_counts_as_compacted,
                encoded_chunks_cover_a_range_in_order,
                an_encoded_chunk_further_off_than_its_session_tells_is_refused,
                a_bounded_chunk_is_not_rounded_again,
            }
            compaction {
                compaction_waits_for_enough_frames,
                compaction_joins_short_chunks_and_changes_no_frame,
                compaction_of_the_remainder_leaves_nothing_to_do,
                recording_goes_on_after_compaction,
                frames_compacted_since_count_as_stored,
                frames_from_before_the_skeleton_are_compacted,
                a_finished_session_is_compacted,
            }
            encoding {
                an_encoding_is_kept_and_listed,
                bounds_that_are_of_no_channel_are_refused,
                a_skeleton_without_a_bounded_channel_is_refused,
                compaction_stays_within_the_bounds,
                a_session_of_json_is_read_back_bit_for_bit,
                what_json_does_not_hold_is_kept_all_the_same,
            }
            recoding {
                a_session_recoded_without_loss_is_the_same_bit_for_bit,
                a_session_is_recoded_within_bounds_that_are_asked_for,
                bounds_that_were_told_once_are_told_for_ever,
                a_recoding_that_broke_off_goes_on,
                a_recoding_that_changes_nothing_tells_nothing_new,
                what_json_does_not_hold_stays_as_columns,
                a_session_without_frames_is_recoded,
                a_live_session_is_not_recoded,
                a_recoding_that_is_none_is_refused,
                a_chunk_is_replaced_only_where_it_is_as_given,
                readers_see_the_same_frames_during_recoding,
            }
            concurrency {
                an_older_term_is_fenced_off,
                who_creates_a_session_is_its_first_writer,
                a_change_of_an_older_writer_is_refused,
                terms_rise,
                a_term_that_was_never_given_is_refused,
                a_new_term_revives_an_interrupted_session_only,
                of_many_writers_at_once_the_last_one_wins,
                many_sessions_are_appended_to_at_once,
                the_same_batch_from_many_tasks_is_stored_once,
                readers_see_a_prefix_while_frames_come_in,
                readers_see_the_same_frames_during_compaction,
                an_append_that_is_dropped_happens_wholly_or_not_at_all,
                finishing_and_appending_at_once_lose_nothing,
            }
            listing {
                every_order_lists_each_session_exactly_once,
                equal_keys_are_sorted_by_id,
                long_names_are_listed_exactly_once,
                pages_stay_exact_while_sessions_come_and_go,
                the_count_is_that_of_all_pages,
                every_word_must_occur,
                words_are_found_in_metadata,
                special_characters_are_searched_as_they_are,
                only_sessions_of_the_status_are_listed,
                only_sessions_of_the_user_are_listed,
                limits_out_of_range_are_refused,
                cursors_of_another_list_are_refused,
            }
            users {
                the_local_user_is_always_there,
                a_user_is_read_back_as_created,
                usernames_are_unique,
                bad_users_are_refused,
                a_user_is_replaced,
                a_user_who_owns_sessions_is_not_deleted,
                user_ids_are_never_given_twice,
            }
        }
    };
    (@make_tests $open:expr; $($module:ident { $($promise:ident,)* })*) => {
        $($(
            #[test]
            fn $promise() {
                $crate::conformance::block_on(async {
                    let (store, guard) = $crate::conformance::Subject::into_parts($open);
                    $crate::conformance::$module::$promise(store).await;
                    drop(guard);
                });
            }
        )*)*
    };
    (@make_report $open:expr; $($module:ident { $($promise:ident,)* })*) => {{
        let mut report: ::std::vec::Vec<(&'static str, bool)> = ::std::vec::Vec::new();
        $($(
            let kept = $crate::conformance::is_kept(async {
                let (store, guard) = $crate::conformance::Subject::into_parts($open);
                $crate::conformance::$module::$promise(store).await;
                drop(guard);
            });
            report.push((stringify!($promise), kept));
        )*)*
        report
    }};
    (@make_names $open:expr; $($module:ident { $($promise:ident,)* })*) => {
        [$($( (stringify!($module), stringify!($promise)), )*)*]
    };
}

/// How long a test may take before a method counts as hanging.
const LONGEST_TEST: Duration = Duration::from_secs(300);

/// A store to be tested, alone or with a value that must outlive it.
#[doc(hidden)]
pub trait Subject {
    /// Returns the store to share, and what is to be dropped after it.
    fn into_parts(self) -> (Arc<dyn SessionStore>, Box<dyn Any>);
}

impl<S: SessionStore> Subject for S {
    fn into_parts(self) -> (Arc<dyn SessionStore>, Box<dyn Any>) {
        (Arc::new(self), Box::new(()))
    }
}

impl<S: SessionStore, G: Any> Subject for (S, G) {
    fn into_parts(self) -> (Arc<dyn SessionStore>, Box<dyn Any>) {
        (Arc::new(self.0), Box::new(self.1))
    }
}

#[doc(hidden)]
pub fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime can be started");
    let done = runtime.block_on(async { tokio::time::timeout(LONGEST_TEST, test).await });
    runtime.shutdown_background();
    assert!(done.is_ok(), "the store doesn't answer: the test is not done after {LONGEST_TEST:?}");
}

#[doc(hidden)]
pub fn is_kept(test: impl Future<Output = ()>) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(test))).is_ok()
}

#[cfg(test)]
mod tests {
    /// The list must not drift from the functions: each promise is listed once, under its module.
    #[test]
    fn every_promise_is_listed() {
        let sources = [
            ("sessions", include_str!("conformance/sessions.rs")),
            ("chunks", include_str!("conformance/chunks.rs")),
            ("publishers", include_str!("conformance/publishers.rs")),
            ("encoded", include_str!("conformance/encoded.rs")),
            ("compaction", include_str!("conformance/compaction.rs")),
            ("encoding", include_str!("conformance/encoding.rs")),
            ("recoding", include_str!("conformance/recoding.rs")),
            ("concurrency", include_str!("conformance/concurrency.rs")),
            ("listing", include_str!("conformance/listing.rs")),
            ("users", include_str!("conformance/users.rs")),
        ];
        let written: Vec<_> = sources
            .iter()
            .flat_map(|(module, source)| {
                let functions = source.lines().filter_map(|line| line.strip_prefix("pub async fn "));
                functions.map(move |rest| (*module, rest.split('(').next().unwrap()))
            })
            .collect();
        assert_eq!(written, crate::session_store_promises!(names));
    }
}
