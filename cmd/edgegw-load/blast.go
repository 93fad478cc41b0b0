package main

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"
)

// blastWait is how long blast lets subscribers gather after the last one.
const blastWait = 300 * time.Millisecond

// runBlast is no gateway: it answers handshakes with a fixed text, waits until
// nobody new comes, and then writes one room's numbered messages to all sockets
// in turn, --batch frames a write, until one of them ends. "sink" against it
// shows the most that the client can take.
func runBlast(b *bench) error {
	ln, err := net.Listen("tcp", b.opt.listen)
	if err != nil {
		return err
	}
	defer ln.Close()
	fmt.Println("listening on", ln.Addr())
	fds, err := gather(ln.(*net.TCPListener))
	if err != nil {
		return err
	}
	r := newRoom(roomName(0))
	var frames, message []byte
	for seq := uint64(1); ; {
		frames = frames[:0]
		for range max(b.opt.batch, 1) {
			message = strconv.AppendUint(append(message[:0], r.prefix...), seq, 10)
			message = append(message, `,"ts":1700000000000,"user":"admin","data":{"t":1700000000000000000,"v":21.53,"unit":"celsius"}}`...)
			frames = appendServerFrame(frames, message)
			seq++
		}
		for _, fd := range fds {
			if writeAll(fd, frames) != nil {
				return nil // the client has left
			}
		}
	}
}

// gather accepts and answers until nobody new comes. The descriptors leave the
// runtime's poller, for the same reason as in dial.
func gather(ln *net.TCPListener) ([]int, error) {
	const answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + handshakeAccept + "\r\n\r\n"
	var fds []int
	wait := 30 * time.Second
	for {
		if err := ln.SetDeadline(time.Now().Add(wait)); err != nil {
			return nil, err
		}
		nc, err := ln.AcceptTCP()
		if err != nil && len(fds) > 0 {
			return fds, nil
		}
		if err != nil {
			return nil, err
		}
		wait = blastWait
		file, err := nc.File()
		_ = nc.Close()
		if err != nil {
			return nil, err
		}
		// Fd makes it blocking; the duplicate outlives the os.File.
		fd, err := syscall.Dup(int(file.Fd()))
		_ = file.Close()
		if err != nil {
			return nil, err
		}
		if err := readRequest(fd); err != nil {
			return nil, err
		}
		if err := writeAll(fd, []byte(answer)); err != nil {
			return nil, err
		}
		fds = append(fds, fd)
	}
}

func readRequest(fd int) error {
	var request []byte
	buf := make([]byte, 4096)
	for !bytes.HasSuffix(request, []byte("\r\n\r\n")) {
		n, err := readSome(fd, buf)
		if err != nil {
			return err
		}
		request = append(request, buf[:n]...)
	}
	return nil
}

// runSink counts what blast sends.
func runSink(b *bench) error {
	if _, err := b.openRooms(1, b.opt.subscribers); err != nil {
		return err
	}
	defer b.loop.close()
	b.row(strconv.Itoa(b.opt.subscribers))
	m, err := b.measure(func() error { return b.rest(b.opt.duration) })
	if err != nil {
		return err
	}
	b.deliveryFigures(m)
	for _, c := range b.loop.conns {
		b.out.Faults.add(c.faultCounts)
	}
	return b.out.print()
}
