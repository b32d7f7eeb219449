package main

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/client/v3/leasing"
	"go.etcd.io/etcd/client/v3/mirror"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	"go.etcd.io/etcd/client/v3/ordering"
)

// The packages that come with the client and lean on it.
var packageChecks = []check{
	{name: "namespace: keys, watches and leases under a prefix", run: func(s *stage) {
		kv, watcher := namespace.NewKV(s.KV, "gp/space/"), namespace.NewWatcher(s.Watcher, "gp/space/")
		channel := watcher.Watch(s, "", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
		next(s, channel)
		ok(kv.Put(s, "a", "1"))
		equal(told(s, channel, 1), "PUT a=1")
		equal(string(ok(s.Get(s, "gp/space/a")).Kvs[0].Value), "1")
		equal(ok(kv.Delete(s, "", clientv3.WithFromKey())).Deleted, int64(1))
	}},
	{name: "ordering: reads never go back", run: func(s *stage) {
		kv := ordering.NewKV(s.KV, func(clientv3.Op, clientv3.OpResponse, int64) error { return nil })
		last := int64(0)
		for at := range 20 {
			ok(kv.Put(s, "gp/ordered", fmt.Sprint(at)))
			got := ok(kv.Get(s, "gp/ordered", clientv3.WithSerializable()))
			equal(got.Header.Revision >= last, true)
			last = got.Header.Revision
		}
	}},
	{name: "leasing: a key that is cached is seen to change", run: func(s *stage) {
		one, closeOne := leased(s, s.Client)
		defer closeOne()
		other, closeOther := leased(s, s.Client)
		defer closeOther()
		ok(one.Put(s, "gp/leasing/a", "1"))
		equal(string(ok(one.Get(s, "gp/leasing/a")).Kvs[0].Value), "1")
		equal(string(ok(other.Get(s, "gp/leasing/a")).Kvs[0].Value), "1")
		ok(other.Put(s, "gp/leasing/a", "2"))
		equal(string(ok(one.Get(s, "gp/leasing/a")).Kvs[0].Value), "2")
	}},
	{name: "mirror: what is there, then what changes", run: func(s *stage) {
		for at := range 5 {
			ok(s.Put(s, fmt.Sprint("gp/mirror/", at), "v"))
		}
		syncer := mirror.NewSyncer(s.Client, "gp/mirror/", 0)
		found, failures := syncer.SyncBase(s)
		count := 0
		for answer := range found {
			count += len(answer.Kvs)
		}
		for err := range failures {
			must(err)
		}
		equal(count, 5)
		changes := syncer.SyncUpdates(s)
		ok(s.Delete(s, "gp/mirror/3"))
		equal(told(s, changes, 1), "DELETE gp/mirror/3=")
	}},
	{name: "naming: endpoints of a service come and go", run: func(s *stage) {
		names := ok(endpoints.NewManager(s.Client, "gp/service"))
		channel := ok(names.NewWatchChannel(s))
		must(names.AddEndpoint(s, "gp/service/a", endpoints.Endpoint{Addr: "192.0.2.1:1"}))
		equal(next(s, channel)[0].Endpoint.Addr, "192.0.2.1:1")
		must(names.DeleteEndpoint(s, "gp/service/a"))
		equal(next(s, channel)[0].Op, endpoints.Delete)
		// The list is read at any member, which may be behind.
		eventually(s, func() bool { return len(ok(names.List(s))) == 0 })
	}},
	{name: "a session goes on under a lease that was there before", run: func(s *stage) {
		lease := ok(s.Grant(s, 20)).ID
		taken := ok(concurrency.NewSession(s.Client, concurrency.WithLease(lease), concurrency.WithContext(s)))
		equal(taken.Lease(), lease)
		taken.Orphan()
		equal(ok(s.TimeToLive(s, lease)).TTL > 0, true)
		ok(s.Revoke(s, lease))
	}},
}

func leased(s *stage, client *clientv3.Client) (clientv3.KV, func()) {
	kv, end, err := leasing.NewKV(client, "gp/leases/", concurrency.WithTTL(20), concurrency.WithContext(context.Context(s)))
	must(err)
	return kv, end
}
