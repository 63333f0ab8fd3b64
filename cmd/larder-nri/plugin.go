package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/stub"

	"larder/cmd/internal/config"
	"larder/overlay/oci"
	"larder/snapshot"
)

// plugin is what the runtime calls.
type plugin struct {
	options
	log      *slog.Logger
	file     *settings
	released chan oci.State // containers that were removed, to be put away
	health   *health
	selinux  bool // containers have mount labels, which only their bundle tells

	mu      sync.Mutex
	runtime string        // that it is registered with
	answer  time.Duration // in which an answer has to come
}

func newPlugin(o options, log *slog.Logger) *plugin {
	return &plugin{
		options: o, log: log, file: &settings{path: o.config}, selinux: selinuxOn(),
		released: make(chan oci.State, 4096), health: &health{path: o.ready}, answer: answerIn(stub.DefaultRequestTimeout),
	}
}

// answerIn leaves a quarter of the runtime's time for the way of the answer, and for a busy host.
func answerIn(timeout time.Duration) time.Duration { return timeout * 3 / 4 }

// again is how long the plugin waits before it looks for the runtime again.
const again = 500 * time.Millisecond

// serve is registered with the runtime for as long as there is one, until ctx ends.
func (p *plugin) serve(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		p.putAway()
		close(done)
	}()
	beat, stop := context.WithCancel(ctx)
	go p.health.beat(beat)
	said := ""
	for ctx.Err() == nil {
		err := p.register(ctx)
		p.health.lost()
		if ctx.Err() != nil {
			break
		}
		// A runtime that is not there is said once, not twice a second.
		if text := fmt.Sprintf("not registered: %v; trying again", err); text != said {
			p.log.Warn(text)
			said = text
		}
		if p.health.was() {
			said = ""
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
	stop()
	notify("STOPPING=1")
	close(p.released)
	select {
	case <-done:
	case <-time.After(answerIn(stub.DefaultRequestTimeout)): // gc goes on with the rest
	}
}

// register connects to the runtime and answers it until the connection ends.
func (p *plugin) register(ctx context.Context) error {
	s, err := stub.New(p.handlers(), stub.WithPluginName("larder"), stub.WithPluginIdx(p.index), stub.WithSocketPath(p.socket),
		stub.WithLogger(quiet{p.log}), stub.WithOnClose(func() {}),
		// A runtime that knows of policies keeps a plugin that was late once.
		stub.WithFailurePolicy(&api.FailurePolicy{FailRequest: p.required, KeepConnected: true}))
	if err != nil {
		return err
	}
	p.health.connecting()
	return s.Run(ctx)
}

// handlers are the events that the runtime is to tell: each of them costs every container of the host.
func (p *plugin) handlers() any {
	if p.hook != "" {
		return injector{p}
	}
	return attacher{p}
}

// attacher mounts by itself, when a container waits for its start.
type attacher struct{ *plugin }

// StartContainer is asked when a container is created and waits.
func (p attacher) StartContainer(_ context.Context, pod *api.PodSandbox, c *api.Container) error {
	return p.start(pod, c)
}

// RemoveContainer is told when a container is gone for good.
func (p attacher) RemoveContainer(_ context.Context, _ *api.PodSandbox, c *api.Container) error {
	p.remove(c)
	return nil
}

// Configure is told who the runtime is.
func (p *plugin) Configure(_ context.Context, _, runtime, version string) (api.EventMask, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runtime = runtime + " " + version
	return 0, nil
}

// Synchronize is told what there is already. It is left as it is: a program that runs is not to find
// other files under its feet. The log says who asks and runs without.
func (p *plugin) Synchronize(_ context.Context, pods []*api.PodSandbox, containers []*api.Container) ([]*api.ContainerUpdate, error) {
	p.mu.Lock()
	runtime := p.runtime
	p.mu.Unlock()
	attached, without := p.count(pods, containers)
	level := slog.LevelInfo
	if without > 0 {
		level = slog.LevelWarn
	}
	p.log.Log(context.Background(), level, fmt.Sprintf("registered with %.80s", runtime), "pods", len(pods), "containers", len(containers), "attached", attached, "ask_and_run_without", without)
	p.health.registered(runtime)
	return nil, nil
}

// count says how many of the running containers that may ask have a snapshot, and how many have not.
func (p *plugin) count(pods []*api.PodSandbox, containers []*api.Container) (attached, without int) {
	cfg, store, err := p.host()
	if err != nil {
		p.log.Warn(err.Error())
		return 0, 0
	}
	byID := make(map[string]*api.PodSandbox, len(pods))
	for _, pod := range pods {
		byID[pod.GetId()] = pod
	}
	for _, c := range containers {
		pod := byID[c.GetPodSandboxId()]
		if c.GetState() != api.ContainerState_CONTAINER_RUNNING {
			continue
		}
		if a := askOf(pod, c); a.profile == "" {
			continue
		} else if _, err := cfg.RequestedBy(pod.GetNamespace(), a.profile); err != nil {
			continue
		}
		if l, err := store.Lease(c.GetId()); err == nil && l.PID == int(c.GetPid()) {
			attached++
		} else {
			without++
		}
	}
	return attached, without
}

// host is the configuration and the store, as they are now.
func (p *plugin) host() (config.Config, *snapshot.Store, error) {
	cfg, err := p.file.load()
	if err != nil {
		return cfg, nil, err
	}
	store, err := p.file.open(p.store)
	return cfg, store, err
}
