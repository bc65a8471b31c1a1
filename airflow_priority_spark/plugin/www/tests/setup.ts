// SPDX-License-Identifier: Apache-2.0
// What browsers have and jsdom lacks; and an event stream that tests drive by hand.
import { cleanup, configure } from "@testing-library/react";
import { afterEach, vi } from "vitest";

class Observer {
  observe() {}
  unobserve() {}
  disconnect() {}
}

export class FakeStream extends EventTarget {
  static opened: FakeStream[] = [];
  static readonly CLOSED = 2;
  readyState = 0;
  onopen?: () => void;
  onerror?: () => void;

  constructor(readonly url: string) {
    super();
    FakeStream.opened.push(this);
  }

  open() {
    this.readyState = 1;
    this.onopen?.();
  }

  break() {
    this.readyState = FakeStream.CLOSED;
    this.onerror?.();
  }

  close() {
    this.readyState = FakeStream.CLOSED;
  }
}

// On a busy machine a page takes its time.
configure({ asyncUtilTimeout: 20_000 });

vi.stubGlobal("PointerEvent", class extends MouseEvent {});
vi.stubGlobal("ResizeObserver", Observer);
vi.stubGlobal("IntersectionObserver", Observer);
vi.stubGlobal("EventSource", FakeStream);
vi.stubGlobal("scrollTo", () => undefined);
window.matchMedia = (query: string) =>
  ({ matches: false, media: query, addEventListener() {}, removeEventListener() {} }) as unknown as MediaQueryList;
// axe looks whether a font draws words as icons.
HTMLCanvasElement.prototype.getContext = () => null;
Element.prototype.scrollTo = () => undefined;
Element.prototype.scrollIntoView = () => undefined;

afterEach(() => {
  cleanup();
  FakeStream.opened = [];
  localStorage.clear();
});
