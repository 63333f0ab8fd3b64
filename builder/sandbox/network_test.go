package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func init() { deeds["visit"] = visit }

// visit asks who serves, tries to take that address, and then to reach what it is given.
func visit(addresses []string) error {
	for range 3 {
		c, err := net.Dial("tcp", ServeAddress)
		if err != nil {
			return err
		}
		fmt.Fprintln(c, "name?")
		answer, err := bufio.NewReader(c).ReadString('\n')
		c.Close()
		if err != nil || answer != "name? is served\n" {
			return fmt.Errorf("answer %q, %v", answer, err)
		}
	}
	_, port, _ := net.SplitHostPort(ServeAddress)
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "[::1]", "0.0.0.0"} {
		if l, err := net.Listen("tcp", host+":"+port); err == nil {
			l.Close()
			return fmt.Errorf("took %s", l.Addr())
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // as tests of programs do
	if err != nil {
		return err
	}
	defer l.Close()
	return dial(addresses)
}

// greet answers each line, until its listener is closed.
func greet(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		line, _ := bufio.NewReader(c).ReadString('\n')
		fmt.Fprintf(c, "%s is served\n", strings.TrimSpace(line))
		c.Close()
	}
}

// With a listener there is one way out, and it ends with the command.
func TestMountServe(t *testing.T) {
	host, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer host.Close()
	abstract, err := net.Listen("unix", "@"+filepath.Base(t.TempDir())+t.Name())
	must(t, err)
	defer abstract.Close()
	s := deed(t, "visit", "tcp!"+host.Addr().String(), "tcp!127.0.0.2:80", "tcp!192.0.2.1:80", "udp!192.0.2.1:53", "tcp![2001:db8::1]:80", "unix!"+abstract.Addr().String())
	s.Serve = greet
	both(t, s, wantDone)
	if c, err := net.DialTimeout("tcp", ServeAddress, time.Second); err == nil {
		c.Close()
		t.Error("the host's own network serves")
	}
}

// Several are served at once, each its own; whatever ends a command ends its socket, and waits for who serves.
func TestMountServeEnds(t *testing.T) {
	r := open(t)
	ctx, stop := context.WithCancelCause(t.Context())
	over := errors.New("over")
	returned := make(chan error, 3)
	for range cap(returned) {
		s := deed(t, "sleep")
		served := make(chan struct{})
		s.Serve = func(l net.Listener) {
			_, err := l.Accept()
			if err == nil {
				t.Error("who connected?")
			}
			time.Sleep(20 * time.Millisecond)
			close(served)
		}
		go func() {
			_, err := r.Run(ctx, s)
			select {
			case <-served:
			default:
				t.Error("Run has not waited")
			}
			returned <- err
		}()
	}
	time.AfterFunc(500*time.Millisecond, func() { stop(over) })
	for range cap(returned) {
		if err := <-returned; !errors.Is(err, over) {
			t.Error(err)
		}
	}
	leaveNothing(t, r)
}
