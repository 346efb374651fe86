/** An observable whose subscribers cannot end the program, or other cameras, by an exception. */
import { Observable, type Observer, type Operator, Subscriber, type Subscription } from 'rxjs';

/**
 * An exception in a subscriber's function is given to `failed`, and the subscriber goes on with the next value. rxjs would
 * throw it again outside, where it ends the process. Holds for what `pipe` makes of it as well.
 */
export class GuardedObservable<T> extends Observable<T> {
  readonly #failed: (error: unknown) => void;

  constructor(
    subscribe: ((subscriber: Subscriber<T>) => Subscription) | undefined,
    failed: (error: unknown) => void,
  ) {
    super(subscribe);
    this.#failed = failed;
  }

  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const lifted = new GuardedObservable<R>(undefined, this.#failed);
    lifted.source = this as Observable<unknown>;
    lifted.operator = operator as Operator<unknown, R>;
    return lifted;
  }

  override subscribe(observer?: Partial<Observer<T>> | ((value: T) => void)): Subscription;
  override subscribe(
    next?: ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription;
  override subscribe(
    first?: Partial<Observer<T>> | ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    // An operator, or rxjs itself: its own subscribers are guarded.
    if (first instanceof Subscriber) return super.subscribe(first);
    const observer: Partial<Observer<T>> =
      typeof first === 'object' && first !== null
        ? first
        : { ...(first && { next: first }), ...(error && { error }), ...(complete && { complete }) };
    const guard =
      <Values extends unknown[]>(call: ((...values: Values) => void) | undefined) =>
      (...values: Values): void => {
        try {
          call?.apply(observer, values);
        } catch (thrown) {
          this.#failed(thrown);
        }
      };
    return super.subscribe({
      next: guard(observer.next),
      complete: guard(observer.complete),
      // Without a function for it rxjs reports the error of the bridge itself, so that a failure is not silent.
      ...(observer.error && { error: guard(observer.error) }),
    });
  }
}
