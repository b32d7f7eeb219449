package main

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

var crashChecks = []check{
	{name: "a watch, a lease and an election go on when the leader's process is killed", run: func(s *stage) {
		candidate := session(s, s.Client)
		election := concurrency.NewElection(candidate, "gk/election")
		must(election.Campaign(s, "me"))
		lease := ok(s.Grant(s, 24)).ID
		alive := ok(s.KeepAlive(s, lease))
		next(s, alive)
		ok(s.Put(s, "gk/leased", "v", clientv3.WithLease(lease)))
		channel := s.Watch(s, "gk/counted/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
		next(s, channel)

		writing, stop := context.WithCancel(s)
		written := make(chan map[string]bool)
		go func() { written <- writeUntil(writing, s.Client) }()
		seen := map[string]bool{}
		var last int64
		watch := func(until func() bool) {
			for !until() {
				answer := next(s, channel)
				must(answer.Err())
				for _, event := range answer.Events {
					equal(event.Kv.ModRevision > last, true)
					last = event.Kv.ModRevision
					equal(seen[string(event.Kv.Key)], false)
					seen[string(event.Kv.Key)] = true
				}
			}
		}
		watch(func() bool { return len(seen) > 20 })
		killLeader()
		before := len(seen)
		watch(func() bool { return len(seen) > before+20 })
		revive()
		stop()
		acknowledged := <-written
		watch(func() bool {
			for key := range acknowledged {
				if !seen[key] {
					return false
				}
			}
			return true
		})

		equal(ok(s.Get(s, "gk/leased")).Count, int64(1))
		for len(alive) > 0 {
			next(s, alive)
		}
		equal(next(s, alive).ID, lease)
		equal(ok(election.Leader(s)).Kvs[0].CreateRevision, election.Rev())
		must(election.Proclaim(s, "still me"))
		must(candidate.Close())
	}},
}

// writeUntil puts one key after the other and gives those whose put was acknowledged.
func writeUntil(ctx context.Context, client *clientv3.Client) map[string]bool {
	acknowledged := map[string]bool{}
	for at := 0; ctx.Err() == nil; at++ {
		key := fmt.Sprint("gk/counted/", at)
		if _, err := client.Put(ctx, key, "v"); err == nil {
			acknowledged[key] = true
		}
	}
	return acknowledged
}
