package main

import (
	"context"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// told gives the next `count` events as text, and fails where they come in the wrong order of revisions.
func told(s *stage, channel clientv3.WatchChan, count int) string {
	var events []string
	var last int64
	for len(events) < count {
		answer := next(s, channel)
		must(answer.Err())
		for _, event := range answer.Events {
			if event.Kv.ModRevision < last {
				panic("an event came after a later one")
			}
			last = event.Kv.ModRevision
			text := fmt.Sprintf("%s %s=%s", event.Type, event.Kv.Key, event.Kv.Value)
			if event.PrevKv != nil {
				text += fmt.Sprintf(" was %s", event.PrevKv.Value)
			}
			events = append(events, text)
		}
	}
	return strings.Join(events, ", ")
}

var watchChecks = []check{
	{name: "watches: from a revision, of a prefix, with previous values, filtered", run: func(s *stage) {
		start := ok(s.Put(s, "gw/a", "1")).Header.Revision
		ok(s.Put(s, "gw/a", "2"))
		ok(s.Put(s, "gw/b", "3"))
		ok(s.Delete(s, "gw/a"))
		from := func(revision int64, key string, options ...clientv3.OpOption) clientv3.WatchChan {
			return s.Watch(s, key, append(options, clientv3.WithRev(revision))...)
		}
		equal(told(s, from(start, "gw/a"), 3), "PUT gw/a=1, PUT gw/a=2, DELETE gw/a=")
		all := from(start+1, "gw/", clientv3.WithPrefix(), clientv3.WithPrevKV())
		equal(told(s, all, 3), "PUT gw/a=2 was 1, PUT gw/b=3, DELETE gw/a= was 2")
		equal(told(s, from(start, "gw/", clientv3.WithPrefix(), clientv3.WithFilterPut()), 1), "DELETE gw/a=")
		noDeletes := from(start, "gw/", clientv3.WithPrefix(), clientv3.WithFilterDelete())
		equal(told(s, noDeletes, 3), "PUT gw/a=1, PUT gw/a=2, PUT gw/b=3")
		ok(s.Put(s, "gw/c", "4"))
		equal(told(s, all, 1), "PUT gw/c=4")
		equal(told(s, noDeletes, 1), "PUT gw/c=4")
	}},
	{name: "a watch says that it was created, and ends with its context", run: func(s *stage) {
		ctx, cancel := context.WithCancel(s)
		channel := s.Watch(ctx, "gw/created", clientv3.WithCreatedNotify())
		equal(next(s, channel).Created, true)
		cancel()
		ended(s, channel)
	}},
	{name: "events of one transaction come in one answer", run: func(s *stage) {
		channel := s.Watch(s, "gw/txn/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
		next(s, channel)
		ok(s.Txn(s).Then(clientv3.OpPut("gw/txn/a", "1"), clientv3.OpPut("gw/txn/b", "2"), clientv3.OpPut("gw/txn/c", "3")).Commit())
		equal(len(next(s, channel).Events), 3)
	}},
	{name: "progress on request", run: func(s *stage) {
		channel := s.Watch(s, "gw/progress", clientv3.WithCreatedNotify(), clientv3.WithProgressNotify())
		next(s, channel)
		revision := ok(s.Put(s, "gw/elsewhere", "1")).Header.Revision
		for {
			must(s.RequestProgress(s))
			answer := next(s, channel)
			equal(answer.IsProgressNotify(), true)
			// etcd 3.4 may answer before it has told its watchers of the latest change.
			if answer.Header.Revision >= revision {
				return
			}
		}
	}},
	{name: "fragments of a large answer are put together, each event once", run: func(s *stage) {
		value := strings.Repeat("x", 700*1024)
		start := ok(s.Put(s, "gw/large", value)).Header.Revision
		for range 7 {
			ok(s.Put(s, "gw/large", value))
		}
		channel := s.Watch(s, "gw/large", clientv3.WithRev(start), clientv3.WithFragment())
		for at := start; at < start+8; {
			for _, event := range next(s, channel).Events {
				equal(event.Kv.ModRevision, at)
				equal(len(event.Kv.Value), len(value))
				at++
			}
		}
		ok(s.Delete(s, "gw/large"))
	}},
	{name: "a watch from a compacted revision ends and says from where there is history", run: func(s *stage) {
		one := connectToOne(s)
		defer one.Close()
		old := ok(one.Put(s, "gw/compacted", "1")).Header.Revision
		now := ok(one.Put(s, "gw/compacted", "2")).Header.Revision
		ok(one.Compact(s, now))
		answer := next(s, one.Watch(s, "gw/compacted", clientv3.WithRev(old)))
		fails(answer.Err(), rpctypes.ErrCompacted)
		equal(answer.CompactRevision, now)
		equal(answer.Canceled, true)
	}},
	{name: "a thousand watches on one stream each see their own key", run: func(s *stage) {
		var channels []clientv3.WatchChan
		for at := range 1000 {
			channels = append(channels, s.Watch(s, fmt.Sprintf("gw/many/%03d", at), clientv3.WithCreatedNotify()))
		}
		for _, channel := range channels {
			equal(next(s, channel).Created, true)
		}
		for at := 0; at < 1000; at += 100 {
			var puts []clientv3.Op
			for more := range 100 {
				puts = append(puts, clientv3.OpPut(fmt.Sprintf("gw/many/%03d", at+more), "v"))
			}
			ok(s.Txn(s).Then(puts...).Commit())
		}
		for at, channel := range channels {
			equal(told(s, channel, 1), fmt.Sprintf("PUT gw/many/%03d=v", at))
		}
	}},
	{name: "a watch with a leader required goes on while there is one", run: func(s *stage) {
		channel := s.Watch(clientv3.WithRequireLeader(s), "gw/led", clientv3.WithCreatedNotify())
		equal(next(s, channel).Created, true)
		ok(s.Put(s, "gw/led", "1"))
		equal(told(s, channel, 1), "PUT gw/led=1")
	}},
}
