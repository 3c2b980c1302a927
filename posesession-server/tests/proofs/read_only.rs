//! A database or a folder that can't be written: the program says so and leaves it as it is.

use std::process::{Command, Output};

use crate::disk_full::{is_inside, mount, run, with_own_mounts};
use crate::program::{Program, serve};
use crate::streamer::{Source, Streamer, Total};

#[test]
fn what_is_read_only_is_refused_in_words_and_can_be_read() {
    if is_inside() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        return runtime.unwrap().block_on(refuse());
    }
    if !with_own_mounts("read_only::what_is_read_only_is_refused_in_words_and_can_be_read") {
        println!("proof: read-only: not tried: this system lets nobody mount here (`unshare -rm`)");
    }
}

async fn refuse() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    mount(&data, "size=16m");
    let program = Program::start(&data).await;
    let mut streamer = Streamer::start(&program.address, Source::new(0, 0), &Total::default()).await.unwrap();
    assert!(streamer.send(50).await && streamer.hear_all().await);
    // Killed, so that what is acknowledged is in the log alone.
    program.kill().await;
    run(Command::new("mount").args(["-o", "remount,ro"]).arg(&data));
    let refused = output(serve(&data).into_std());
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("can't be"), "{said}");
    run(Command::new("mount").args(["-o", "remount,rw"]).arg(&data));
    let program = Program::start(&data).await;
    let storage = crate::streamer::look_into(&data).await;
    let frames = streamer.promise.check(&storage).await;
    storage.close().await;
    program.kill().await;
    run(Command::new("umount").arg(&data));
    println!(
        "proof: read-only: refused with a reason, {frames} acknowledged frames there when it is writable again, 0 lost"
    );
}

fn output(mut command: Command) -> Output {
    command.stderr(std::process::Stdio::piped()).output().unwrap()
}
