//! Builds the crate again when a page changes: the pages are embedded in the program.

fn main() {
    for embedded in
        ["web/js", "web/style", "web/pose_realtime.html", "web/session_list.html", "web/session_replay.html"]
    {
        println!("cargo::rerun-if-changed={embedded}");
    }
}
