// Tries etcd's official Go client on the servers that are given. How a run is asked for and what is printed:
// ../checks.ts. Every check says what etcd does.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

type check struct {
	name  string
	needs string
	tls   *tls.Config
	run   func(*stage)
}

// stage is what a check acts on: a client, and a context that ends with the check.
type stage struct {
	context.Context
	*clientv3.Client
	endpoints []string
}

var input = bufio.NewReader(os.Stdin)

func main() {
	endpoints := strings.Split(os.Args[1], ",")
	lacks := strings.Split(os.Args[2], ",")
	checks := slices.Concat(
		keyChecks, transactionChecks, watchChecks, leaseChecks, concurrencyChecks, packageChecks,
		clusterChecks, maintenanceChecks, crashChecks, authChecks,
	)
	if folder := os.Getenv("CONCLAVE_TLS_FOLDER"); folder != "" {
		checks = tlsChecks(folder)
	}
	for _, one := range checks {
		say("begin", one.name)
		if one.needs != "" && slices.Contains(lacks, one.needs) {
			say("skipped", "no "+one.needs)
		} else if why := attempt(one, endpoints); why != "" {
			say("failed", why)
		} else {
			say("passed")
		}
	}
	say("end", len(checks))
}

// attempt runs the check and gives what went wrong, or nothing.
func attempt(one check, endpoints []string) (why string) {
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second)
	defer cancel()
	client := connect(clientv3.Config{Endpoints: endpoints, TLS: one.tls})
	defer client.Close()
	defer func() {
		if failure := recover(); failure != nil {
			why = fmt.Sprintf("%v\n%s", failure, debug.Stack())
		}
	}()
	one.run(&stage{Context: ctx, Client: client, endpoints: endpoints})
	return ""
}

func connect(config clientv3.Config) *clientv3.Client {
	config.Logger = zap.NewNop()
	config.DialTimeout = 10 * time.Second
	return ok(clientv3.New(config))
}

// connectToOne is for what another member may hear of later.
func connectToOne(s *stage) *clientv3.Client {
	return connect(clientv3.Config{Endpoints: s.endpoints[:1]})
}

func say(words ...any) {
	line := ok(json.Marshal(words))
	fmt.Println(string(line))
}

// killLeader returns when another member leads.
func killLeader() { ask("kill-leader") }

// revive returns when the member that was killed answers again.
func revive() { ask("revive") }

func ask(what string) {
	say("ask", what)
	ok(input.ReadString('\n'))
}

func ok[T any](value T, err error) T {
	must(err)
	return value
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func equal[T any](got, want T) {
	if !reflect.DeepEqual(got, want) {
		panic(fmt.Sprintf("got %#v, want %#v", got, want))
	}
}

// fails asserts that the call failed with exactly this error of etcd's.
func fails(err, want error) {
	if err == nil || err.Error() != want.Error() {
		panic(fmt.Sprintf("got error %v, want %v", err, want))
	}
}

// next gives what comes out of a channel, or fails when the check's time is over or the channel is closed.
func next[T any](s *stage, channel <-chan T) T {
	select {
	case value, open := <-channel:
		if !open {
			panic("the channel is closed")
		}
		return value
	case <-s.Done():
		panic("nothing came in time")
	}
}

// ended waits until a channel is closed.
func ended[T any](s *stage, channel <-chan T) {
	for {
		select {
		case _, open := <-channel:
			if !open {
				return
			}
		case <-s.Done():
			panic("not closed in time")
		}
	}
}

// eventually waits until the condition holds.
func eventually(s *stage, condition func() bool) {
	for !condition() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-s.Done():
			panic("did not become true in time")
		}
	}
}
