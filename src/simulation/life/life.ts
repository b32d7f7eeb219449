import type { TransportFactory } from '../../client/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { simulatedTransport } from '../calls/index.ts';
import { consensusCheckers } from '../checkers/index.ts';
import { SharedFolder, stuckDiskChecker } from '../disk/index.ts';
import { Divergence, Keeper, TakenOut } from '../divergence/index.ts';
import {
  CandidateWorkload,
  ElectionReports,
  electionsCompleteChecker,
  excusedBy,
  fencingChecker,
  graceKeptChecker,
  leasesChecker,
  oneHolderChecker,
  tokensRiseChecker,
} from '../elections/index.ts';
import { Nemesis, setDisks, setLinks } from '../faults/nemesis.ts';
import { changesMembership, drawFaults, type FaultOptions, isDiverging } from '../faults/options.ts';
import { drawSchedule, type Fault } from '../faults/schedule.ts';
import { Operator } from '../membership/index.ts';
import { SimulatedNetwork } from '../network/index.ts';
import type { Checker } from '../observation.ts';
import {
  describeSharing,
  drawSharing,
  SharingReports,
  type SharingSettings,
  SharingWorkload,
  sharingCheckers,
} from '../sharing/index.ts';
import { Administrator, passwordOf, rootTransport, TokensLast, userOf } from '../users/index.ts';
import {
  ClientWorkload,
  drawRates,
  History,
  type Login,
  notCompacting,
  PermissionsKept,
  workloadCheckers,
} from '../workload/index.ts';
import type { CheckerParts } from '../workload/workload-checker.ts';
import type { Process } from '../world/process.ts';
import { World } from '../world/world.ts';
import { checkLifeOptions, checkOnly } from './check-options.ts';
import { SimulatedCluster } from './cluster.ts';
import { Coverage } from './coverage.ts';
import { describeFailure, withoutStacks } from './failures.ts';
import { faultTargets } from './fault-targets.ts';
import { Hub } from './hub.ts';
import { Progress } from './progress.ts';
import { type ClusterSettings, comparing, describeSettings, drawCluster } from './settings.ts';
import type { LifeFailure, LifeOptions, LifeResult } from './types.ts';
import { taps } from './wire-tap.ts';

/** Nothing strikes while the cluster is being made. */
const bootMs = 1000;
/** For members that join, one after the other. */
const spareHosts = 8;

/**
 * Lives one life: a cluster under clients and candidates, faults for `seconds`, then healed until everything must have
 * come back. Never rejects for what is wrong with the code under test: that is the result's `failure`.
 *
 * @throws ConclaveError 'invalid-argument' for options that cannot be meant.
 */
export async function runLife(options: LifeOptions): Promise<LifeResult> {
  checkLifeOptions(options);
  return new Life(options).run();
}

class Life {
  readonly #options: LifeOptions;
  readonly #world: World;
  readonly #faults: FaultOptions;
  readonly #settings: ClusterSettings;
  readonly #schedule: readonly Fault[];
  readonly #untilMs: number;
  readonly #hub: Hub;
  readonly #network: SimulatedNetwork;
  readonly #cluster: SimulatedCluster;
  readonly #clients: ClientWorkload;
  readonly #burst: number;
  readonly #candidates: CandidateWorkload;
  readonly #reports: ElectionReports;
  readonly #sharing: SharingSettings | undefined;
  readonly #sharers: SharingWorkload;
  readonly #sharingReports: SharingReports;
  /** Where members join and leave. */
  readonly #operator: Operator | undefined;
  /** Where the state of members comes to differ. */
  readonly #divergence: Divergence | undefined;
  readonly #keeper: Keeper | undefined;
  /** Where members ask who calls. */
  readonly #administrator: Administrator | undefined;
  #tokens: TokensLast | undefined;
  readonly #nemesis: Nemesis;
  readonly #coverage: Coverage;
  readonly #history: History;
  readonly #shared: SharedFolder;

  constructor(options: LifeOptions) {
    const { seed, faults = 'all', members = 3, seconds = 30, keepTrace = false } = options;
    this.#options = options;
    // What a life is like is drawn apart from what happens in it.
    const dice = new World({ seed }).random('settings');
    const drawn = drawFaults(faults, dice.fork('faults'), options.divergence);
    const calm = { lossRate: 0, repeatRate: 0, reorderRate: 0 };
    this.#faults = options.calmLinks ? { ...drawn, ...calm } : drawn;
    const diverging = isDiverging(this.#faults);
    // One that differs is taken out, and another takes its place.
    const changing = changesMembership(this.#faults) || diverging;
    const settings = drawCluster(dice.fork('cluster'), members, options);
    this.#settings = {
      ...settings,
      ...(changing && { spareHosts }),
      ...(diverging && comparing(settings, dice.fork('comparing'))),
    };
    this.#untilMs = bootMs + seconds * 1000;
    this.#schedule = drawSchedule(this.#faults, dice.fork('schedule'), bootMs, this.#untilMs);
    const { clockDriftRate } = this.#faults;
    const world = new World({ seed, clockDriftRate, keepTrace });
    this.#world = world;
    this.#hub = new Hub(world, clockDriftRate);
    this.#hub.changing = changing;
    this.#network = new SimulatedNetwork(world, world.random('network'));
    this.#cluster = new SimulatedCluster({ world, hub: this.#hub, network: this.#network }, this.#settings);
    this.#history = new History(() => world.nowUs);
    this.#reports = new ElectionReports(world);
    const shared = new SharedFolder(world, world.random('shared folder'));
    this.#shared = shared;
    const { users } = this.#settings;
    const transport = (runtime: Runtime) =>
      users ? rootTransport(simulatedTransport(runtime)) : simulatedTransport(runtime);
    const equip = (process: Process): void => this.#equip(process);
    const { endpoints } = this.#cluster;
    const rates = drawRates(dice.fork('rates'), options);
    this.#burst = rates.burst;
    this.#clients = new ClientWorkload({
      ...{ world, history: this.#history, endpoints, equip, clients: options.clients ?? 8 },
      transport: simulatedTransport,
      ...(users && { login: (name, plain) => this.#login(name, plain) }),
      rates: this.#settings.autoCompaction === undefined ? rates : notCompacting(rates),
    });
    this.#candidates = new CandidateWorkload({
      ...{ world, random: world.random('candidates'), reports: this.#reports, endpoints, transport },
      ...{ clockDriftRate: 0.01, attach: equip, candidates: options.candidates ?? 3 },
      sharedDisk: (process) => shared.of(process),
    });
    const onFailure = (error: unknown): void => this.#hub.fail(error);
    const standing = { world, endpoints, transport, equip, onFailure };
    if (users) this.#administrator = new Administrator(standing);
    // Drawn last: lives without it are what they were. One seed shares something else under each preset.
    const sharing = drawSharing(
      dice.fork(`sharing ${faults}`),
      options.sharing ?? (options.candidates === 0 ? 'none' : undefined),
    );
    this.#sharing = sharing;
    this.#sharingReports = new SharingReports(this.#reports);
    this.#sharers = new SharingWorkload({
      ...{
        world,
        random: world.random('sharing'),
        reports: this.#sharingReports,
        sharing,
        endpoints,
        transport,
      },
      ...{ clockDriftRate: 0.01, attach: equip, faults },
    });
    shared.onPowerFailed = () => {
      this.#candidates.filesLostPower(shared);
      this.#sharers.filesLostPower(shared);
    };
    const operator = changing ? new Operator({ world, hub: this.#hub, cluster: this.#cluster }) : undefined;
    this.#operator = operator;
    if (diverging && operator !== undefined) {
      const mayStrike = (): boolean => operator.isIdle;
      this.#divergence = new Divergence({ world, cluster: this.#cluster, mayStrike });
      this.#keeper = new Keeper(standing);
      this.#cluster.onTakenOut = (member) => operator.replace(member);
    }
    const targets = faultTargets({
      ...{ world, network: this.#network, cluster: this.#cluster, shared, operator },
      ...{ clients: this.#clients, candidates: this.#candidates, sharers: this.#sharers },
      divergence: this.#divergence,
    });
    setLinks(targets, this.#faults);
    setDisks(targets, this.#faults);
    const { only } = options;
    checkOnly(only, this.#schedule.length);
    const struck =
      only === undefined ? this.#schedule : this.#schedule.filter(({ number }) => only.includes(number));
    this.#nemesis = new Nemesis(targets, struck);
    this.#coverage = new Coverage();
    this.#addCheckers();
  }

  async run(): Promise<LifeResult> {
    const world = this.#world;
    const unhandled = (error: unknown): void =>
      this.#hub.fail(new Error(`A promise was rejected and nobody handled it: ${error}`, { cause: error }));
    process.on('unhandledRejection', unhandled);
    const stacksAgain = this.#options.keepTrace ? undefined : withoutStacks();
    let failure: LifeFailure | undefined;
    try {
      world.scheduler.onSettled = () => this.#hub.settled();
      this.#cluster.start();
      this.#clients.start();
      this.#candidates.start();
      this.#sharers.start();
      this.#operator?.start();
      this.#keeper?.start();
      this.#administrator?.start();
      await world.scheduler.run(this.#untilMs * 1000);
      this.#nemesis.heal();
      await this.#progress().demand();
      this.#hub.ended();
    } catch (error) {
      failure = describeFailure(error, world.nowUs);
    } finally {
      process.off('unhandledRejection', unhandled);
      stacksAgain?.();
      this.#sharers.close();
    }
    return this.#result(failure);
  }

  #login(name: string, plain: TransportFactory): Login {
    const username = userOf(name);
    const transport = this.#tokens?.listening(plain, username) ?? plain;
    return { transport, username, password: passwordOf(username) };
  }

  #equip(process: Process): void {
    process.attach({ disk: this.#shared.of(process), network: this.#network.of(process) });
  }

  #progress(): Progress {
    return new Progress({
      ...{ world: this.#world, cluster: this.#cluster, clients: this.#clients, history: this.#history },
      ...{
        candidates: this.#candidates,
        sharers: this.#sharers,
        operator: this.#operator,
        keeper: this.#keeper,
        administrator: this.#administrator,
        equip: (process: Process) => this.#equip(process),
      },
    });
  }

  #addCheckers(): void {
    const hub = this.#hub;
    Object.assign(this.#network, taps(this.#cluster, hub));
    hub.add(...consensusCheckers(this.#settings.queueBounds, this.#options.clients));
    const { members } = this.#cluster;
    hub.add(stuckDiskChecker(({ position }) => (members[position] as (typeof members)[number]).disk));
    const { leaseReads, autoCompaction } = this.#settings;
    const calm = this.#options.faults === 'none' && this.#divergence === undefined;
    const besides = (parts: CheckerParts): readonly Checker[] => {
      if (this.#administrator === undefined) return [];
      this.#tokens = new TokensLast(parts);
      return [new PermissionsKept(parts, userOf), this.#tokens];
    };
    const options = { leaseReads, autoCompaction, calm, besides };
    hub.add(...workloadCheckers(hub, this.#history, options).map((checker) => () => checker));
    if (this.#divergence !== undefined) hub.add(() => new TakenOut(hub, this.#history));
    const reports = this.#reports;
    const breaks = excusedBy(this.#network.breaks);
    hub.add(leasesChecker(reports, breaks), oneHolderChecker(reports, breaks), fencingChecker(reports));
    hub.add(tokensRiseChecker(reports), graceKeptChecker(reports));
    hub.add(electionsCompleteChecker(reports, this.#candidates));
    hub.add(...sharingCheckers(this.#sharing?.kind, this.#sharers, this.#sharingReports, breaks));
    hub.add(() => this.#coverage);
  }

  #result(failure: LifeFailure | undefined): LifeResult {
    const world = this.#world;
    return {
      seed: this.#options.seed,
      traceHash: world.trace.hash,
      steps: world.scheduler.steps,
      simulatedMs: Math.round(world.nowUs / 1000),
      members: this.#settings.members,
      coverage: this.#coverage.counts(this.#history, {
        ...{ elections: this.#reports.counts, sharing: this.#sharingReports.counts },
        network: this.#network.counts,
        changes: this.#operator?.counts,
        divergence: this.#divergence?.counts,
        permissionChanges: this.#administrator?.changes ?? 0,
      }),
      faults: this.#nemesis.counts,
      schedule: this.#schedule,
      settings: `${describeSettings(this.#settings, this.#faults, this.#burst)}; ${describeSharing(this.#sharing)}`,
      failure,
      lines: world.trace.lines,
    };
  }
}
