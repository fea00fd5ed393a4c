//! Another HTTP service behind the same accept loop.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use resus_receive::{
    BodyError, Encoding, Limits, Listener, Outcome, Peer, RequestBody, serve_http,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::client::{Call, Way, talk};
use crate::door::{config, with_token};

/// Says who asked, and gives the body back; 408 for one that came too slowly.
async fn echo(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let peer = request.extensions().get::<Peer>().expect("named").address.ip();
    let (status, text) = match request.into_body().collect().await {
        Ok(body) => {
            (StatusCode::OK, [peer.to_string().as_bytes(), b" ", &body.to_bytes()].concat())
        }
        Err(BodyError::TooSlow) => (StatusCode::REQUEST_TIMEOUT, Vec::new()),
        Err(BodyError::Broken(_)) => (StatusCode::BAD_REQUEST, Vec::new()),
    };
    let mut reply = Response::new(Full::from(text));
    *reply.status_mut() = status;
    Ok(reply)
}

#[tokio::test]
async fn a_service_gets_the_same_tokens_timeouts_and_shutdown() {
    let limits = Limits {
        body_grace: Duration::from_millis(100),
        header_timeout: Duration::from_millis(300),
        ..Limits::STANDARD
    };
    let listener = Listener::bind(with_token("token"), &limits).expect("binds");
    let (address, meter) = (listener.local_address(), listener.meter());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(serve_http(listener, service_fn(echo), async {
        let _ = stopped.await;
    }));
    for way in [Way::Http1(Encoding::Json), Way::Http2(Encoding::Json)] {
        let call = Call::spans(way, b"").method(Method::GET).path("/healthz");
        let refused = call.clone().send(address).await;
        assert_eq!(refused.status, 401);
        assert_eq!(refused.verdict(way, None).code, 16);
        let call = Call::spans(way, b"hello").path("/api").header("authorization", "Bearer token");
        let reply = call.send(address).await;
        assert_eq!((reply.status, &reply.body[..]), (200, b"127.0.0.1 hello".as_slice()));
    }
    let slow = "POST / HTTP/1.1\r\nhost: door\r\nauthorization: Bearer token\r\ncontent-length: 9\r\n\r\nx";
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(slow.as_bytes()).await.expect("writes");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("reads");
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert_eq!(talk(address, "GET / HTTP/1.1\r\n").await, "");
    let strangers = meter.read().requests;
    assert!(strangers.iter().all(|r| r.outcome == Outcome::Unauthenticated && r.signal.is_none()));
    stop.send(()).expect("runs");
    tokio::time::timeout(Duration::from_secs(5), running).await.expect("ends").expect("ends well");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_panic_of_a_service_ends_its_connection_only() {
    let listener = Listener::bind(config(), &Limits::STANDARD).expect("binds");
    let address = listener.local_address();
    let service = service_fn(|request: Request<RequestBody>| async move {
        assert!(request.uri().path() != "/panic", "told to panic");
        echo(request).await
    });
    tokio::spawn(serve_http(listener, service, std::future::pending()));
    for way in [Way::Http1(Encoding::Json), Way::Http2(Encoding::Json)] {
        let stream = TcpStream::connect(address).await.expect("connects");
        assert!(Call::spans(way, b"").path("/panic").try_over(stream).await.is_err());
        assert_eq!(Call::spans(way, b"").path("/").send(address).await.status, 200);
    }
}
