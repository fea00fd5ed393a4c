use tokio::net::TcpListener;

use super::*;

/// A server that reads `want` bytes, answers with `say` and closes.
async fn says(want: usize, say: &'static [u8]) -> Connection {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = vec![0; want];
        stream.read_exact(&mut read).await.unwrap();
        stream.write_all(say).await.unwrap();
        if want == 0 {
            // Wait for the client to go: a close with bytes unread would reset what was said.
            while let Ok(1..) = stream.read(&mut [0; 4096]).await {}
        }
    });
    Connection::open(address).await.unwrap()
}

#[tokio::test]
async fn answers_are_read_in_each_framing() {
    for say in [
        &b"HTTP/1.1 200 OK\r\nX: y\r\ncontent-LENGTH: 3\r\n\r\nabcHTTP"[..],
        b"HTTP/1.1 200 OK\r\nx:y\r\nTransfer-Encoding: chunked\r\n\r\n2;e=1\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nx: y \r\n\r\nabc",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nx: y\r\nContent-Length: 3\r\n\r\nabc",
    ] {
        let answer = says(2, say).await.exchange(b"hi").await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"abc"[..]));
        assert_eq!(answer.header("X"), Some("y"));
        assert!(!answer.early && !answer.closes());
    }
}

#[tokio::test]
async fn interim_answers_are_listed() {
    let say = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n";
    let answer = says(0, say).await.answer().await.unwrap();
    assert_eq!((answer.status, answer.interim.as_slice()), (400, &[100][..]));
    assert!(answer.closes());
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_taken() {
    let say = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    let body = vec![0; 64 << 20];
    let mut connection = says(1, say).await;
    let answer = connection.exchange(&body).await.unwrap();
    assert_eq!((answer.status, answer.early), (413, true));
}

#[tokio::test]
async fn broken_answers_are_errors_that_say_how() {
    for (say, why) in [
        (&b""[..], "closed with no answer"),
        (b"HTTP/1.1 200", "closed with half a head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "closed with half a body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc", "a content-length that is no number"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n", "a body of over 4 MiB"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no status line"),
    ] {
        let error = says(2, say).await.exchange(b"hi").await.unwrap_err();
        assert_eq!(error.to_string(), why);
    }
}
