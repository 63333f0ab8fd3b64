package sandbox

import (
	"fmt"
	"net"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ServeAddress is where [Spec.Serve] answers in the container. No port is below it that a command could
// take: that needs a capability.
const ServeAddress = "127.0.0.1:80"

// network is a network namespace with nothing but loopback and one socket. Unlike one of the runtime's making it
// belongs to the host's user namespace, so that no capability in the container could ever change it.
type network struct {
	listener net.Listener
	served   chan struct{}
}

// openNetwork gives the calling thread, and what it starts, a network namespace of its own, keeps that at
// networkFile for the runtime, and has serve answer in it.
func openNetwork(serve func(net.Listener)) (*network, error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("unshare network namespace: %w", err)
	}
	if err := raiseLoopback(); err != nil {
		return nil, fmt.Errorf("bring up loopback: %w", err)
	}
	if err := os.WriteFile(networkFile, nil, 0o600); err != nil {
		return nil, err
	}
	if err := unix.Mount("/proc/thread-self/ns/net", networkFile, "", unix.MS_BIND, ""); err != nil {
		return nil, fmt.Errorf("keep network namespace: %w", err)
	}
	l, err := net.Listen("tcp4", ServeAddress)
	if err != nil {
		return nil, fmt.Errorf("listen in the container's network: %w", err)
	}
	n := &network{l, make(chan struct{})}
	go func() { // on a thread that is still in the host's network
		defer close(n.served)
		serve(l)
	}()
	return n, nil
}

// close ends the socket, and waits for who served it.
func (n *network) close() {
	n.listener.Close()
	<-n.served
}

func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

// networkOf is the container's network namespace: a new one, or that in which someone serves.
func networkOf(s Spec) specs.LinuxNamespace {
	if s.Serve == nil {
		return specs.LinuxNamespace{Type: specs.NetworkNamespace}
	}
	return specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: networkFile}
}
