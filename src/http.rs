//! The one way out to the network: an agent that gives up on silence. Knows nothing of what is fetched. A leaf.
//!
//! The user's proxy variables (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) are honoured.

use std::error::Error;
use std::time::Duration;

use ureq::{Agent, Timeout};

/// How long nothing may come before a connection counts as broken. A slow line may take as long as it needs.
const SILENCE: Duration = Duration::from_secs(30);

/// An agent for downloads. `errors` says whether a status of 400 or more is an error of the call.
pub(crate) fn agent(errors: bool) -> Agent {
    patient(SILENCE, errors)
}

fn patient(silence: Duration, errors: bool) -> Agent {
    let config = Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(silence))
        .timeout_per_read(Some(silence))
        .timeout_per_write(Some(silence))
        .user_agent(concat!("rcnn/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(errors);
    config.build().into()
}

/// Why a call or the reading of its body failed.
pub(crate) fn reason(error: &(dyn Error + 'static)) -> String {
    let call = error.downcast_ref::<ureq::Error>();
    let body = || error.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<ureq::Error>();
    match call.or_else(body) {
        Some(ureq::Error::Timeout(Timeout::PerRead | Timeout::RecvResponse)) => {
            format!("the server sent nothing for {} seconds", SILENCE.as_secs())
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// The address of a server that sends this, and then nothing more without closing the connection.
    fn falls_silent_after(sent: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]).unwrap();
                stream.write_all(sent.as_bytes()).unwrap();
                open.push(stream);
            }
        });
        address
    }

    #[test]
    fn a_server_that_falls_silent_is_given_up() {
        let agent = patient(Duration::from_millis(100), true);
        let silent = agent.get(falls_silent_after("")).call().unwrap_err();
        assert_eq!(reason(&silent), "the server sent nothing for 30 seconds");
        let half = falls_silent_after("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
        let mut response = agent.get(half).call().unwrap();
        let mut body = Vec::new();
        let stalled = response.body_mut().as_reader().read_to_end(&mut body).unwrap_err();
        assert_eq!(
            (reason(&stalled).as_str(), body.as_slice()),
            ("the server sent nothing for 30 seconds", &b"half"[..])
        );
    }
}
