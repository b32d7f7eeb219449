package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var clusterChecks = []check{
	{name: "the list of members, and endpoints that follow it", run: func(s *stage) {
		members := ok(s.MemberList(s)).Members
		equal(len(members), len(s.endpoints))
		for _, member := range members {
			equal(slices.Contains(s.endpoints, strings.TrimPrefix(member.ClientURLs[0], "http://")), true)
			equal(member.IsLearner, false)
		}
		one := connect(clientv3.Config{Endpoints: s.endpoints[:1], AutoSyncInterval: 50 * time.Millisecond})
		defer one.Close()
		eventually(s, func() bool { return len(one.Endpoints()) == len(s.endpoints) })
		must(s.Sync(s))
		equal(len(s.Endpoints()), len(s.endpoints))
	}},
	{name: "a learner is added, changed, not yet promoted, and removed", needs: "membership", run: func(s *stage) {
		var added *clientv3.MemberAddResponse
		// etcd takes no change before its members have been connected for some seconds.
		eventually(s, func() bool {
			var err error
			added, err = s.MemberAddAsLearner(s, []string{"http://127.0.0.1:9"})
			return err == nil || err.Error() != rpctypes.ErrUnhealthy.Error()
		})
		id := added.Member.ID
		equal(added.Member.IsLearner, true)
		equal(len(added.Members), len(s.endpoints)+1)
		_, err := s.MemberAddAsLearner(s, []string{"http://127.0.0.1:9", "http://127.0.0.1:10"})
		fails(err, rpctypes.ErrPeerURLExist)
		_, err = s.MemberPromote(s, id)
		fails(err, rpctypes.ErrMemberLearnerNotReady)
		ok(s.MemberUpdate(s, id, []string{"http://127.0.0.1:10"}))
		// In etcd 3.4 the member that is asked tells what it has applied, which may be less than another one has.
		eventually(s, func() bool {
			listed := ok(s.MemberList(s)).Members
			at := slices.IndexFunc(listed, func(m *etcdserverpb.Member) bool { return m.ID == id })
			return at >= 0 && slices.Equal(listed[at].PeerURLs, []string{"http://127.0.0.1:10"})
		})
		equal(len(ok(s.MemberRemove(s, id)).Members), len(s.endpoints))
		_, err = s.MemberRemove(s, id)
		fails(err, rpctypes.ErrMemberNotFound)
	}},
	{name: "members that are not there, and URLs that are none", needs: "membership", run: func(s *stage) {
		_, err := s.MemberRemove(s, 4242)
		fails(err, rpctypes.ErrMemberNotFound)
		_, err = s.MemberPromote(s, 4242)
		fails(err, rpctypes.ErrMemberNotFound)
		_, err = s.MemberUpdate(s, 4242, []string{"http://127.0.0.1:9"})
		fails(err, rpctypes.ErrMemberNotFound)
	}},
}

// leader gives the id of the leader and an endpoint of it, as soon as one says that it is.
func leader(s *stage) (id uint64, endpoint string) {
	eventually(s, func() bool {
		return slices.ContainsFunc(s.endpoints, func(asked string) bool {
			status := ok(s.Status(s, asked))
			id, endpoint = status.Leader, asked
			return id != 0 && id == status.Header.MemberId
		})
	})
	return id, endpoint
}

var maintenanceChecks = []check{
	{name: "each member's status, and one hash of the keys", run: func(s *stage) {
		revision := ok(s.Put(s, "gm/hash", "1")).Header.Revision
		hashes := map[uint32]bool{}
		for _, endpoint := range s.endpoints {
			// A linearizable read at this member: it has applied the put.
			one := connect(clientv3.Config{Endpoints: []string{endpoint}})
			ok(one.Get(s, "gm/hash"))
			one.Close()
			status := ok(s.Status(s, endpoint))
			equal(status.Leader != 0 && status.RaftTerm > 0 && status.RaftIndex >= status.RaftAppliedIndex, true)
			equal(status.DbSize > 0 && status.DbSize >= status.DbSizeInUse, true)
			equal(status.IsLearner, false)
			equal(len(status.Errors), 0)
			hashes[ok(s.HashKV(s, endpoint, revision)).Hash] = true
		}
		equal(len(hashes), 1)
	}},
	{name: "alarms: there are none, and disarming all is fine", run: func(s *stage) {
		equal(len(ok(s.AlarmList(s)).Alarms), 0)
		equal(len(ok(s.AlarmDisarm(s, &clientv3.AlarmMember{})).Alarms), 0)
	}},
	{name: "defragment each member", run: func(s *stage) {
		for _, endpoint := range s.endpoints {
			ok(s.Defragment(s, endpoint))
		}
	}},
	{name: "a snapshot ends with the hash of what came before", run: func(s *stage) {
		ok(s.Put(s, "gm/large", strings.Repeat("x", 1024*1024)))
		reader := ok(s.Snapshot(s))
		defer reader.Close()
		data := ok(io.ReadAll(reader))
		equal(len(data)%512, sha256.Size)
		hash := sha256.Sum256(data[:len(data)-sha256.Size])
		equal(hash[:], data[len(data)-sha256.Size:])
	}},
	{name: "the leadership moves to the member that is asked for", needs: "move-leader", run: func(s *stage) {
		id, endpoint := leader(s)
		members := ok(s.MemberList(s)).Members
		other := members[slices.IndexFunc(members, func(m *etcdserverpb.Member) bool { return m.ID != id })]
		atOther := connect(clientv3.Config{Endpoints: other.ClientURLs})
		defer atOther.Close()
		_, err := atOther.MoveLeader(s, other.ID)
		fails(err, rpctypes.ErrNotLeader)
		atLeader := connect(clientv3.Config{Endpoints: []string{endpoint}})
		defer atLeader.Close()
		_, err = atLeader.MoveLeader(s, 4242)
		fails(err, rpctypes.ErrBadLeaderTransferee)
		ok(atLeader.MoveLeader(s, other.ID))
		eventually(s, func() bool { now, _ := leader(s); return now == other.ID })
		ok(s.Put(s, "gm/moved", fmt.Sprint(other.ID)))
	}},
}
