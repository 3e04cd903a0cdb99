//! What a running service bounds: what one question takes, and how many are answered at once. Asked over real gRPC by the
//! built program.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use perfline::api::v1::QueryRequest;
use perfline::api::v1::perfline_client::PerflineClient;
use perfline::api::{Questions, Server};
use perfline::store::QueryBounds;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::support::TempStore;

/// Would take hours.
const LONG: &str = "select sum((a.range * b.range) % 7) as a from range(100000000) as a, range(100000000) as b";
/// Time that a long question gets: longer than another waits for its place.
const LONG_TIME: Duration = Duration::from_secs(20);

struct Running {
    http: SocketAddr,
    questions: Questions,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<std::thread::JoinHandle<()>>,
    /// Closed when nobody serves it any more.
    _store: TempStore,
}

impl Running {
    fn new(bounds: QueryBounds, at_once: usize) -> Self {
        let store = TempStore::with(|options| {
            options.serves = true;
            options.duckdb_memory_bytes_max = 64_000_000;
        });
        store.store.set_query_bounds(bounds);
        let questions = Questions::new(at_once);
        let server = Server { questions: questions.clone(), ..Server::new(store.store.clone()) };
        let (stop, stopped) = oneshot::channel();
        let (told, address) = std::sync::mpsc::channel();
        let serving = std::thread::spawn(move || {
            tokio::runtime::Runtime::new().unwrap().block_on(async {
                let bind = || TcpListener::bind("127.0.0.1:0");
                let (grpc, http) = (bind().await.unwrap(), bind().await.unwrap());
                told.send(http.local_addr().unwrap()).unwrap();
                server.run(grpc, http, async { drop(stopped.await) }).await.unwrap();
            });
        });
        let http = address.recv().unwrap();
        Self { http, questions, stop: Some(stop), serving: Some(serving), _store: store }
    }

    fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::cargo_bin("perfline").unwrap();
        command.args(arguments).args(["--store", &self.url()]).output().unwrap()
    }

    /// What a refused query says.
    fn refused(&self, question: &str) -> String {
        let output = self.command(&["query", question]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{question}: {said}");
        said
    }

    fn answered(&self, question: &str) {
        let output = self.command(&["query", question]);
        assert!(output.status.success(), "{question}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A page, if its status is 200.
    fn page(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.http).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.starts_with("HTTP/1.1 200").then_some(text)
    }

    fn metric(&self, line: &str) -> bool {
        self.page("/metrics").unwrap().lines().any(|one| one == line)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            serving.join().unwrap();
        }
    }
}

#[test]
fn each_bound_of_a_query_is_told_with_its_setting_and_the_next_query_is_answered() {
    let time_max = Some(Duration::from_millis(500));
    let service = Running::new(QueryBounds { rows_max: Some(10), bytes_max: Some(1_000), time_max }, 0);
    for (question, setting) in [
        ("from range(11)", "limits.query_rows_max"),
        ("select repeat('x', 1000) as a", "limits.query_bytes_max"),
        (LONG, "limits.query_timeout"),
    ] {
        let said = service.refused(question);
        assert!(said.contains(setting) && said.contains("help: `perfline export`"), "{said}");
    }
    service.answered("from range(10)");
    let said = service.refused("select nothing from runs");
    assert!(said.contains("nothing") && !said.contains("limits."), "{said}");
}

#[test]
fn a_question_that_duckdb_has_no_memory_for_is_told_with_its_setting() {
    let service = Running::new(QueryBounds::default(), 0);
    let said = service.refused("select list(range::varchar || repeat('x', 100)) as a from range(3000000)");
    assert!(said.contains("Out of Memory") && said.contains("raise store.duckdb_memory_bytes_max"), "{said}");
    service.answered("from runs");
}

#[test]
fn doctor_names_the_bound_that_it_met_and_blames_no_store_for_it() {
    let service = Running::new(QueryBounds { rows_max: Some(1), ..QueryBounds::default() }, 0);
    let output = service.command(&["doctor"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && told.contains("nothing is wrong"), "{told}");
    assert!(told.contains("limits.query_rows_max") && !told.contains("limits.query_timeout"), "{told}");
}

#[test]
fn more_questions_than_may_be_answered_at_once_are_asked_to_come_again_and_health_is_not() {
    let service = Running::new(QueryBounds { time_max: Some(LONG_TIME), ..QueryBounds::default() }, 1);
    assert!(service.metric("perfline_questions_running 0"));
    std::thread::scope(|scope| {
        let long = scope.spawn(|| service.refused(LONG));
        while !service.metric("perfline_questions_running 1") {
            assert!(!long.is_finished());
            std::thread::sleep(Duration::from_millis(20));
        }
        let raw = scope.spawn(|| raw_refusal(&service.url()));
        let said = service.refused("select 1 as a");
        assert!(said.contains("cannot answer now") && said.contains("limits.queries_max"), "{said}");
        assert!(said.contains("try again"), "{said}");
        let status = raw.join().unwrap();
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert!(String::from_utf8_lossy(status.details()).contains("google.rpc.RetryInfo"), "{status:?}");
        assert!(service.page("/healthz").is_some() && service.page("/readyz").is_some());
        assert!(service.metric("perfline_questions_refused_total 2"));
        // What changes something stands behind none either.
        assert!(service.command(&["recost"]).status.success());
        service.questions.set_most(2);
        service.answered("select 1 as a");
        assert!(!long.is_finished(), "all of that stood behind no question");
        assert!(long.join().unwrap().contains("limits.query_timeout"));
    });
    assert!(service.metric("perfline_questions_running 0"));
}

fn raw_refusal(url: &str) -> tonic::Status {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = PerflineClient::connect(url.to_owned()).await.unwrap();
        client.query(QueryRequest { sql: "select 1 as a".to_owned() }).await.unwrap_err()
    })
}
