//! What a process holds, as the system sees it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Its open files.
pub(crate) fn files(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").count()
}

/// Its memory in KiB, without what other processes of the same program have as well.
pub(crate) fn memory(process: u32) -> u64 {
    sum(process, "Pss_Anon:")
}

/// All its memory in KiB.
pub(crate) fn all_memory(process: u32) -> u64 {
    sum(process, "Rss:")
}

/// The time that it has spent on a processor, in ticks.
pub(crate) fn processor_ticks(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    // The name of the program may hold spaces.
    let (_, fields) = text.rsplit_once(')').expect("a name");
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum()
}

fn sum(process: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a sum");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Its sockets whose other side has closed and that are not closed themselves.
pub(crate) fn close_waiting(process: u32) -> usize {
    const CLOSE_WAIT: &str = "08";
    let files = fs::read_dir(format!("/proc/{process}/fd")).expect("it runs");
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let own: Vec<String> = links.map(|link| link.display().to_string()).collect();
    let of = |table: &str| {
        let text = fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
        let waiting = text.lines().skip(1).filter(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let socket = fields.get(9).map(|inode| format!("socket:[{inode}]"));
            fields.get(3) == Some(&CLOSE_WAIT) && socket.is_some_and(|socket| own.contains(&socket))
        });
        waiting.count()
    };
    of("tcp") + of("tcp6")
}

/// Looks at the memory of processes until it is asked for the most that each had.
pub(crate) struct Peaks {
    stop: Arc<AtomicBool>,
    looking: JoinHandle<()>,
    peaks: Vec<Arc<AtomicU64>>,
}

impl Peaks {
    pub(crate) fn watch(processes: &[u32]) -> Self {
        let peaks: Vec<Arc<AtomicU64>> = processes.iter().map(|_| Arc::default()).collect();
        let (stop, seen, processes) = (Arc::<AtomicBool>::default(), peaks.clone(), processes.to_owned());
        let stopped = Arc::clone(&stop);
        let looking = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for (process, peaks) in processes.iter().zip(&seen) {
                    peaks.fetch_max(memory(*process), Ordering::Relaxed);
                }
                // How often it looks.
                thread::sleep(Duration::from_millis(20));
            }
        });
        Self { stop, looking, peaks }
    }

    pub(crate) fn end(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.join().expect("the processes run");
        self.peaks.iter().map(|peaks| peaks.load(Ordering::Relaxed)).collect()
    }
}
